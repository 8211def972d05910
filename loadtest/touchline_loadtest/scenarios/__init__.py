"""The scenarios, one module each: its sizes, and a function that runs it."""
