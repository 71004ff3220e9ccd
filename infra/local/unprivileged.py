"""Lets root run PostgreSQL, which refuses to run as root.

A project of root's often stands where no other user may go (/root, `mktemp -d`), so dropping to another user is only
the second choice. The first is a user namespace: in the server's processes root looks like `nobody`, while to the file
system it remains root, and every file stays root's.
"""

import ctypes
import os
import pwd
import subprocess
import sys
from pathlib import Path


def namespace():
    """Give this process a user namespace in which root is called `nobody` (initdb wants a user that has a name)."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):  # CLONE_NEWUSER
        raise OSError(ctypes.get_errno(), "no user namespace")
    nobody = pwd.getpwnam("nobody")
    for file, text in ("setgroups", "deny"), ("uid_map", f"{nobody.pw_uid} 0 1"), ("gid_map", f"{nobody.pw_gid} 0 1"):
        Path("/proc/self", file).write_text(text)


def drop():
    """Really become `nobody`: for kernels and containers that refuse namespaces, and for macOS."""
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def identity(program, home):
    """The function that a child process calls before it becomes `program`, or None; makes `home` belong to it."""
    if os.geteuid() != 0:
        return None
    for become, owner in (namespace, 0), (drop, pwd.getpwnam("nobody").pw_uid):
        if home.stat().st_uid != owner:
            for path in [*home.rglob("*"), home]:  # home last: after an interruption all of it is done again
                os.chown(path, owner, -1, follow_symlinks=False)

        def try_out(become=become):
            become()
            os.listdir(home)

        try:
            subprocess.run([program, "-V"], preexec_fn=try_out, stdout=subprocess.DEVNULL, check=True)
            return become
        except (OSError, subprocess.SubprocessError):
            continue
    sys.exit(f"PostgreSQL doesn't run as root, and the user `nobody` may not enter {home} or run {program}.\n"
             "Run this as an ordinary user, or move the project where others may enter, or set DATABASE_URL to a server.")
