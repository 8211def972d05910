"""The version of the distribution; CHANGELOG.md lists what is new in it."""

__version__ = "0.1.0"
