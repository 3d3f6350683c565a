"""The stand-in's page shows the worlds and nothing but text, in a real browser too."""

from __future__ import annotations

import html
import re
import shutil
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
import requests
from playwright.sync_api import sync_playwright

from reconciler.sandbox.server import Sandbox
from reconciler.sandbox.switches import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
HOSTILE = '"><script>document.title="taken"</script><img src=x onerror="document.title=\'taken\'">&amp;\u202e\ud800'


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(switches=Switches(rate=0)) as sandbox:
        world = sandbox.world
        news, other = world.add_list("news"), world.add_list(HOSTILE, 'contactlist_"&<x> y')
        for number in range(250):
            world.add_contact({"Email": f"p{number}@example.com", "_autopilot_list": news})
        world.add_contact(
            {
                "Email": "hostile@example.com",
                "FirstName": HOSTILE,
                "LastName": HOSTILE,
                "Company": HOSTILE,
                "custom": {f"string--{HOSTILE}": HOSTILE},
                "unsubscribed": True,
                "_autopilot_list": other,
            }
        )
        yield sandbox


class Tags(HTMLParser):
    """Collects the tags and the attributes' names of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def get(sandbox: Sandbox, path: str = "/") -> requests.Response:
    return requests.get(sandbox.root + path, timeout=10)


def test_it_shows_the_lists_with_their_totals_and_the_first_hundred(sandbox: Sandbox) -> None:
    page = get(sandbox)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for text in ("250 members", "1 member<", "251 contacts", "1 unsubscribed", "2 lists", "p99@example.com"):
        assert text in page.text
    assert "p100@example.com" not in page.text


def test_hostile_names_stay_text_on_every_page(sandbox: Sandbox) -> None:
    links = re.findall(r'href="([^"]*)"', get(sandbox).text)
    pages = [
        "/",
        *(html.unescape(link) for link in links),
        "/?account=1&page=3",
        "/?account=1&list=contactlist_%22%26%3Cx%3E+y",
    ]
    shown = 0
    for path in pages:
        page = get(sandbox, path)
        assert page.status_code == 200, path
        tags = Tags()
        tags.feed(page.text)
        assert not tags.seen & {"script", "img"}
        assert not {name for name in tags.attributes if name.startswith("on")}
        shown += "&lt;script&gt;" in page.text
    assert shown >= 3


@pytest.mark.parametrize(
    "query",
    ["account=2", "account=x", "account=1&page=0", "account=1&page=4", "account=1&list=none", "account=1&page=x"],
)
def test_what_is_not_there_is_not_found(sandbox: Sandbox, query: str) -> None:
    assert get(sandbox, f"/?{query}").status_code == 404


@pytest.fixture
def browser_page() -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("needs chromium, which is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_a_reader_pages_through_a_list_in_a_browser(sandbox: Sandbox, browser_page: Page) -> None:
    faults: list[str] = []
    browser_page.on("pageerror", lambda fault: faults.append(str(fault)))
    browser_page.goto(sandbox.root)
    assert browser_page.title() == "Autopilot, stand-in"
    assert browser_page.locator("details").count() == 2
    assert HOSTILE[:20] in browser_page.locator("summary").nth(1).inner_text()
    browser_page.get_by_text("The rest of them").click()
    assert browser_page.title() == "news"
    assert browser_page.locator("tbody tr").first.inner_text().startswith("p100@example.com")
    browser_page.get_by_text("Next").first.click()
    assert browser_page.locator("tbody tr").count() == 50
    assert browser_page.get_by_text("Next").count() == 0
    browser_page.get_by_text("All lists").first.click()
    browser_page.get_by_text("251 contacts").click()
    browser_page.get_by_text("Next").first.click()
    browser_page.get_by_text("Next").first.click()
    assert browser_page.locator(".out").inner_text() == "unsubscribed"
    assert browser_page.title() == "Account 1: all contacts"
    assert faults == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_in_light_and_dark_and_on_a_narrow_screen(
    sandbox: Sandbox, browser_page: Page, scheme: str
) -> None:
    browser_page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    browser_page.set_viewport_size({"width": 360, "height": 700})
    browser_page.goto(sandbox.root)
    style = "e => [getComputedStyle(e).color, getComputedStyle(e).backgroundColor]"
    ink, ground = (
        sum(map(int, re.findall(r"\d+", color)[:3])) for color in browser_page.locator("body").evaluate(style)
    )
    assert (ink > ground) == (scheme == "dark")
    assert abs(ink - ground) > 400
    assert browser_page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
