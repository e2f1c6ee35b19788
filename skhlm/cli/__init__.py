"""The command line ``skhlm``."""

from skhlm.cli.main import main

__all__ = ["main"]
