"""The one place where the version stands; read without importing anything."""

__version__ = "0.1.0"
