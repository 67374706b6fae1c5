"""The collector: takes in what hosts saw, stores it, answers questions about it, and tells hosts what was decided."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pratique")
except PackageNotFoundError:  # a checkout that was not installed
    __version__ = "0"
