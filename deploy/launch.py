"""Becomes a command that dies with its parent: `launch.py SIGNAL PARENT UID GID COMMAND…`, run as a script.

A script of its own and no `preexec_fn`, because the parent has threads, and Python code between fork and exec may then
hang. UID and GID are `-` where the account stays as it is. COMMAND is an absolute path: the new account
may not be able to read the standard library, so nothing is imported after the change.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def drop_to(uid: str, gid: str) -> None:
    """Become another account for good; needs root."""
    if uid == "-":
        return
    os.setgroups([int(gid)])
    os.setgid(int(gid))
    os.setuid(int(uid))


def die_with_parent(signal: int, parent: int) -> None:
    """Ask Linux to send `signal` when the thread that started this process ends; elsewhere nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        sys.exit(1)


def main(signal: str, parent: str, uid: str, gid: str, *command: str) -> None:
    """Drop privileges first: a change of account clears the death signal."""
    drop_to(uid, gid)
    die_with_parent(int(signal), int(parent))
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
