"""The command line: arguments in, exit code out; the only package that prints."""

from zkbridge.cli.application import main

__all__ = ["main"]
