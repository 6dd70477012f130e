"""The version of freerun, read by the package and the model file."""

__version__ = "0.1.0"
