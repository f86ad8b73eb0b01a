"""The version, which goes into every bundle."""

__version__ = "0.1.0"
