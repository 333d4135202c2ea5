"""The `ntkd` command line: one file for each group of commands, and a line in `app` for each."""

from client.cli.app import main

__all__ = ["main"]
