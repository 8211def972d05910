"""The scenarios, one module each: its ``NAME``, its ``Sizes``, and a function that runs it. The first line of a
module's docstring is its text in ``--list``.
"""
