"""The command line: options, what is printed, and how the parts are put together."""
