#!/usr/bin/env python3
"""Puts the files of Swagger UI that GET /docs serves into functions/docs/swagger-ui: `make docs-assets`.

They come from the package that npm installed here after it had compared it with the digest in package-lock.json. With
--check (`make docs-assets-check`) nothing is written: it fails where a file is not the package's, to the byte.
"""

import gzip
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "functions" / "docs"
PACKAGE = ROOT / ".venv-contract" / "node_modules" / "swagger-ui-dist"
COMPRESSED = "swagger-ui-bundle.js", "swagger-ui.css"
AS_THEY_ARE = "package.json", "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"


def content(file):
    """What a file of ours unpacks to; nothing, if it isn't there."""
    if not file.exists():
        return None
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def main(check):
    version = json.loads((PACKAGE / "package.json").read_text())["version"]
    findings = [f"{file.relative_to(ROOT)} does not name swagger-ui-{version}.{kind}" for kind in ("js", "css")
                for file in (DOCS / "page" / "page.html", DOCS / "src" / "main.rs")
                if f"swagger-ui-{version}.{kind}" not in file.read_text()]
    for name in [*COMPRESSED, *AS_THEY_ARE]:
        theirs = (PACKAGE / name).read_bytes()
        ours = DOCS / "swagger-ui" / (f"{name}.gz" if name in COMPRESSED else name)
        if content(ours) == theirs:
            continue
        if check:
            findings.append(f"{ours.relative_to(ROOT)} is not that of swagger-ui-dist {version}: make docs-assets")
        else:
            ours.write_bytes(gzip.compress(theirs, 9, mtime=0) if name in COMPRESSED else theirs)
            print(f"Wrote {ours.relative_to(ROOT)}")
    if findings:
        sys.exit("\n".join(findings))


if __name__ == "__main__":
    main(check=sys.argv[1:] == ["--check"])
