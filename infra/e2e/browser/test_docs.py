"""GET /docs in a browser: it shows every operation, a request can be tried, and nothing is asked of another host."""

import json
import secrets
import unittest
from urllib.request import Request, urlopen

from page import API_URL, screenshot, visit

METHODS = {"get", "put", "post", "patch", "delete"}


def ask(method, path, body=None):
    data = body and json.dumps(body).encode()
    with urlopen(Request(API_URL + path, data, {"content-type": "application/json"}, method=method), timeout=20) as answer:
        return json.load(answer)


def operation(page, method, path):
    """The block of an operation, unfolded."""
    block = page.locator(f".opblock-{method}", has=page.locator(f'[data-path="{path}"]')).first
    block.locator(".opblock-summary-control").click()
    return block


def execute(block):
    """The status of the answer to an operation's request, which is sent as it stands."""
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table tbody .response-col_status").inner_text().split()[0]


class Docs(unittest.TestCase):
    def test_every_operation_is_shown(self):
        contract = ask("GET", "/openapi.json")
        expected = sorted((method, path) for path, item in contract["paths"].items() for method in METHODS & item.keys())
        for scheme in "light", "dark":
            with self.subTest(scheme), visit("/docs", color_scheme=scheme, viewport={"width": 1280, "height": 900}) as (page, faults):
                page.locator(".opblock").first.wait_for()
                screenshot(page, f"docs-{scheme}")
                folded = page.locator('.opblock-tag-section:not(.is-open) > .opblock-tag')
                self.assertEqual([tag.get_attribute("data-tag") for tag in folded.all()], ["flaskForms"])
                folded.first.click()
                page.locator('.opblock-tag-section.is-open > [data-tag="flaskForms"]').wait_for()
                shown = [(block.locator(".opblock-summary-method").inner_text().lower(),
                          block.locator("[data-path]").get_attribute("data-path"))
                         for block in page.locator(".opblock").all()]
                self.assertEqual(sorted(shown), expected)
                self.assertEqual(faults, [])

    def test_a_request_can_be_tried(self):
        with visit("/docs", viewport={"width": 1280, "height": 900}) as (page, faults):
            health = operation(page, "get", "/health")
            self.assertEqual(execute(health), "200")
            self.assertIn('"status": "ok"', health.locator(".live-responses-table .highlight-code").inner_text())
            screenshot(page, "docs-tried")
            self.assertEqual(faults, [])

    def test_a_token_is_sent_and_then_forgotten(self):
        name = f"reader-{secrets.token_hex(8)}"
        user = {"username": name, "email": f"{name}@example.com", "password": secrets.token_urlsafe()}
        token = ask("POST", "/register", user)["access_token"]
        with visit("/docs", viewport={"width": 1280, "height": 900}) as (page, faults):
            surveys = operation(page, "get", "/surveys")
            surveys.locator(".authorization__btn").click()
            page.locator(".modal-ux input").first.fill(token)
            page.locator(".modal-ux").get_by_role("button", name="Apply").first.click()
            screenshot(page, "docs-token")
            page.locator(".modal-ux").get_by_role("button", name="Close").first.click()
            self.assertEqual(execute(surveys), "200")
            self.assertEqual(faults, [])
            self.assertEqual(page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]"), [0, 0, ""])


if __name__ == "__main__":
    unittest.main()
