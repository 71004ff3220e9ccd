"""GET /docs in a browser: it shows every operation, a request can be tried, and nothing is asked of another host."""

import json
import secrets
import unittest
from urllib.request import Request, urlopen

from page import API_URL, screenshot, visit

METHODS = {"get", "put", "post", "patch", "delete"}
SHOWN = """blocks => blocks.map(block => [block.querySelector(".opblock-summary-method").textContent.toLowerCase(),
                                       block.querySelector("[data-path]").dataset.path])"""


def ask(method, path, body=None):
    data = body and json.dumps(body).encode()
    with urlopen(Request(API_URL + path, data, {"content-type": "application/json"}, method=method), timeout=20) as answer:
        return json.load(answer)


def operation(page, method, path):
    """The block of an operation, unfolded."""
    block = page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    return block


def execute(block):
    """Send the request of an operation as it stands; the status of the answer."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table tbody .response-col_status").inner_text().split()[0]


class Docs(unittest.TestCase):
    def test_every_operation_is_shown(self):
        contract = ask("GET", "/openapi.json")
        expected = sorted((method, path) for path, item in contract["paths"].items() for method in METHODS & item.keys())
        for scheme in "light", "dark":
            with self.subTest(scheme), visit("/docs", color_scheme=scheme) as page:
                page.locator(".opblock").first.wait_for()
                screenshot(page, f"docs-{scheme}", full_page=True)
                folded = page.locator(".opblock-tag-section:not(.is-open) > .opblock-tag")
                self.assertEqual([tag.get_attribute("data-tag") for tag in folded.all()], ["flaskForms"])
                folded.click()
                page.locator('.opblock-tag-section.is-open > [data-tag="flaskForms"]').wait_for()
                shown = page.locator(".opblock").evaluate_all(SHOWN)
                self.assertEqual(sorted(map(tuple, shown)), expected)

    def test_a_request_can_be_tried(self):
        with visit("/docs") as page:
            health = operation(page, "get", "/health")
            self.assertEqual(execute(health), "200")
            self.assertIn('"status": "ok"', health.locator(".live-responses-table .highlight-code").inner_text())
            screenshot(page, "docs-tried")

    def test_a_token_is_sent_and_kept_nowhere(self):
        name = f"reader-{secrets.token_hex(8)}"
        user = {"username": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe()}
        token = ask("POST", "/register", user)["access_token"]
        with visit("/docs") as page:
            surveys = operation(page, "get", "/surveys")
            surveys.locator(".authorization__btn").click()
            window = page.locator(".modal-ux")
            window.locator("input").first.fill(token)
            window.get_by_role("button", name="Apply").first.click()
            screenshot(page, "docs-token")
            window.get_by_role("button", name="Close").first.click()
            self.assertEqual(execute(surveys), "200")
            self.assertEqual(page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]"), [0, 0, ""])


if __name__ == "__main__":
    unittest.main()
