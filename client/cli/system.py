"""Commands that start the system on this machine."""

import os
import sys


def up() -> None:
    """Run the whole system in the foreground until Ctrl-C."""
    _become("deploy.up")


def demo() -> None:
    """Start the system, compute the kernel of 512 real digits, and stop it."""
    _become("deploy.demo")


def _become(module: str) -> None:
    """This process turns into the module; -P: not into one of that name in the user's folder."""
    os.execv(sys.executable, [sys.executable, "-P", "-m", module])  # noqa: S606
