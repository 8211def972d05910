"""The command line: options, output, and how the parts are put together.

`app` has the commands. A command's module declares its options only; it imports the module that does the work when it
runs, so that ``--help`` and mistakes in the options cost no more than typer does.
"""
