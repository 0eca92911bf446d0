"""The package's version, for its face, its records and its build."""

__version__ = "0.1.0"
