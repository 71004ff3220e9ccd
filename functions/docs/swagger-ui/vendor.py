#!/usr/bin/env python3
"""The files of Swagger UI beside this one, from the npm package that package-lock.json pins by its digest.

    vendor.py        `make docs-assets`: put them here
    vendor.py check  `make docs-assets-check`: prove that these are the package's, to the byte
"""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPRESSED = "swagger-ui-bundle.js", "swagger-ui.css"
AS_THEY_ARE = "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE"


def fetch(folder):
    """The package's folder. npm refuses a package that hasn't the digest in package-lock.json."""
    for pin in "package.json", "package-lock.json":
        shutil.copy(HERE / pin, folder)
    npm = os.environ.get("NPM") or shutil.which("npm")
    if not npm:
        sys.exit("npm is needed: use make, which installs it")
    # No scripts: one of a dependency reports home.
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL)
    return folder / "node_modules" / "swagger-ui-dist"


def mentions(version):
    """What has the version in it by hand."""
    names = [f"swagger-ui-{version}.{kind}" for kind in ("js", "css")]
    for file in HERE.parent / "src" / "main.rs", HERE.parent / "page" / "page.html":
        yield from (f"{file.relative_to(HERE.parent)} doesn't name {name}" for name in names if name not in file.read_text())


def main(check):
    if not json.loads((HERE / "package-lock.json").read_text())["packages"]["node_modules/swagger-ui-dist"].get("integrity"):
        sys.exit("package-lock.json has no digest for swagger-ui-dist")
    with tempfile.TemporaryDirectory() as folder:
        package = fetch(Path(folder))
        version = json.loads((package / "package.json").read_text())["version"]
        files = {name: (package / name).read_bytes() for name in [*COMPRESSED, *AS_THEY_ARE]}
    faults = list(mentions(version))
    for name, theirs in files.items():
        ours = HERE / (name + ".gz" if name in COMPRESSED else name)
        if not check:
            # The same bytes wherever this runs: no time of day in them.
            ours.write_bytes(gzip.compress(theirs, 9, mtime=0) if name in COMPRESSED else theirs)
        elif not ours.exists() or (gzip.decompress(ours.read_bytes()) if name in COMPRESSED else ours.read_bytes()) != theirs:
            faults.append(f"swagger-ui/{ours.name} is not what swagger-ui-dist {version} has")
    if faults:
        sys.exit("\n".join(faults))
    print(f"functions/docs/swagger-ui has the files of swagger-ui-dist {version}")


if __name__ == "__main__":
    main(check=sys.argv[1:] == ["check"])
