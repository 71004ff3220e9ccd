"""A PgBouncer that keeps named statements, where the one of this machine is too old to.

1.21 is the first that does, and Debian 12 has 1.18. PgCat, PgDog and pg_doorman, which do too, are not on crates.io
(looked up on 2026-11-30). So this makes the PgBouncer of Debian 13 out of its source package, which takes ten seconds of a
C compiler. Its program for Debian 13 itself would need a newer C library than Debian 12 has.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

KEEPS = 1, 21
SUITE = "trixie"  # Debian 13


class Unavailable(Exception):
    """It can't be had here, and why."""


def keeps(version):
    """Whether the PgBouncer that calls itself so keeps named statements."""
    return tuple(int(n) for n in re.search(r"(\d+)\.(\d+)", version).groups()) >= KEEPS


def run(folder, *command, **env):
    """Run a command; what it printed."""
    try:
        return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=True, env=os.environ | {"LC_ALL": "C"} | env).stdout
    except FileNotFoundError:
        raise Unavailable(f"there is no {command[0]} here") from None
    except subprocess.CalledProcessError as failed:
        last = failed.stdout.strip().splitlines()[-1:]
        raise Unavailable(f"{Path(command[0]).name} failed: {' '.join(last)}") from None


def packages(folder):
    """Download the source package, and the library that it needs to be built with, from the mirror that this machine uses."""
    for private in "lists/partial", "cache/archives/partial":
        (folder / private).mkdir(parents=True)
    private = [f"--option={option}" for option in (
        f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}/cache", "APT::Sandbox::User=root")]
    run(folder, "apt-get", *private, "update")
    places = run(folder, "apt-get", *private, "indextargets", "--format=$(REPO_URI) $(RELEASE)", "Created-By: Packages")
    mirror = next((line.split() for line in places.splitlines() if line.split()[0].endswith("/debian/")), None)
    if mirror is None:
        raise Unavailable("apt knows no mirror of Debian")
    uri, release = mirror
    (folder / "sources.list").write_text(f"deb {uri} {release} main\ndeb-src {uri} {SUITE} main\n")
    private += [f"--option=Dir::Etc::SourceList={folder}/sources.list", "--option=Dir::Etc::SourceParts=/dev/null"]
    run(folder, "apt-get", *private, "update")
    run(folder, "apt-get", *private, "download", "libevent-dev")
    run(folder, "apt-get", *private, "source", "--download-only", "pgbouncer")


def newer(folder):
    """The path of a PgBouncer that keeps named statements, made in `folder` unless it is there already."""
    made = folder / "pgbouncer"
    if made.exists():
        return made
    print("Building a newer PgBouncer …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packages(folder)
    run(folder, "dpkg-deb", "--extract", str(next(folder.glob("libevent-dev*.deb"))), folder)
    run(folder, "tar", "--extract", "--strip-components=1", "--one-top-level=source", f"--file={next(folder.glob('*.orig.*'))}")
    source = folder / "source"
    run(source, "./configure", "--without-openssl", "--without-cares",
        LIBEVENT_CFLAGS=f"-I{folder}/usr/include", LIBEVENT_LIBS=str(next(folder.rglob("libevent.a"))))
    run(source, "make", "pgbouncer", MAKEFLAGS="")  # without those of the make that called us
    shutil.rmtree(folder / "lists")
    (source / "pgbouncer").rename(made)  # last, so that an interrupted build is done again
    return made
