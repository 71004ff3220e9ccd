#!/usr/bin/env python3
"""Print the path of a Chromium: the one in CHROMIUM, one that is installed, or on Debian as root the package, installed now.

Where there is none and none can be had, this says so and prints nothing. In CI that is a failure.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
         "/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def installed():
    return next(filter(None, map(shutil.which, NAMES)), None)


def debian():
    with open("/etc/os-release") as release:
        return "ID=debian" in release.read().split()


def install():
    """Install Debian's package, with nothing of what it only recommends."""
    print("Installing Debian's chromium …", file=sys.stderr)
    for command in ["update"], ["install", "--yes", "--no-install-recommends", "chromium"]:
        subprocess.run(["apt-get", "--quiet", "--quiet", *command], check=True, stdout=sys.stderr, stdin=subprocess.DEVNULL,
                       env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})


def find():
    if os.environ.get("CHROMIUM"):
        return os.environ["CHROMIUM"]
    if not installed() and os.geteuid() == 0 and Path("/etc/os-release").exists() and debian():
        install()
    return installed()


if __name__ == "__main__":
    if found := find():
        print(found)
    else:
        print("!!! NOT TESTED in a browser: there is no Chromium here. Install one, or name one: CHROMIUM=/path/to/it",
              file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)
