"""A page in a browser, and everything that goes wrong in it."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

API_URL = os.environ["API_URL"]
SCREENSHOTS = Path(__file__).resolve().parents[3] / ".local" / "screenshots"
PATIENCE = 20_000  # milliseconds, for what should take one

# No other host has an address, whoever asks for it: the page, or the browser for itself.
ALONE = f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {urlsplit(API_URL).hostname}"
QUIET = "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"

# A page that stays within its policy never sees this event.
REPORT = """addEventListener("securitypolicyviolation", violation =>
    console.error(`${violation.violatedDirective} refuses ${violation.blockedURI} ${violation.sample}`));"""


class Faults(list):
    """What went wrong in a page: its errors, what its policy refused, what it asked of other hosts, what wasn't there."""

    def watch(self, page):
        page.add_init_script(REPORT)
        page.on("console", lambda line: line.type in ("error", "warning") and self.append(f"{line.type}: {line.text}"))
        page.on("pageerror", lambda error: self.append(f"exception: {error}"))
        page.on("request", lambda request: self.here(request.url))
        page.on("requestfailed", lambda request: self.append(f"failed: {request.url} {request.failure}"))
        page.on("response", lambda response: response.status >= 400 and self.append(f"{response.status}: {response.url}"))

    def here(self, url):
        """Note a request that goes elsewhere."""
        if not url.startswith((f"{API_URL}/", "data:", "blob:")):
            self.append(f"another host: {url}")


@contextmanager
def visit(path, **context):
    """A page that has been loaded. Whatever goes wrong in it fails the test that visits it."""
    faults = Faults()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=[ALONE, *QUIET])
        try:
            page = browser.new_context(viewport={"width": 1280, "height": 900}, **context).new_page()
            page.set_default_timeout(PATIENCE)
            faults.watch(page)
            page.goto(API_URL + path, wait_until="networkidle")
            yield page
        except Exception:
            print(*faults, sep="\n", file=sys.stderr)
            raise
        finally:
            browser.close()
    if faults:
        raise AssertionError(f"GET {path} in a browser:\n" + "\n".join(faults))


def screenshot(page, name, **options):
    """Keep a picture of what is to be seen in .local/screenshots."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png", **options)
