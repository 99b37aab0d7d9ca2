"""Real browsers at a real server: people who open pages, and what must not happen in them.

Debian's Chromium, driven by Playwright.  Nothing sleeps here: every wait is for something to be
seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.integration.conftest import PATIENCE, ROOT, ServerProcess, server, start

__all__ = ["server", "start"]

CHROMIUM = "/usr/bin/chromium"

QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP chat.example 127.0.0.1",
)  # fmt: skip
"""What lets it run as root and without a screen, look for nothing beyond this machine, and find a
name there that is not `localhost`."""

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "has_touch": True,
    "is_mobile": True,
}

_EXPECTED = re.compile(
    r"net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|EMPTY_RESPONSE|INTERNET_DISCONNECTED|FAILED)"
    r"|Connection closed before receiving a handshake response"
    r"|WebSocket is closed before the connection is established"
    r"|Cross-Origin-Opener-Policy header has been ignored, because .* origin was untrustworthy"
)
"""What a browser's console says of a server that is away, and of HTTP without TLS: no fault of the
page's."""

DRAWN = """async (log) => {
    for (let frame = 0; frame < 600; frame += 1) {
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        const top = log.getBoundingClientRect().top + 1;
        const rows = [...log.querySelectorAll('[data-item-index]')];
        if (rows.length && rows[0].getBoundingClientRect().top <= top) return;
    }
}"""
"""Waits until a list that was scrolled up is drawn there, and what is older has come if it must."""


def milliseconds(module: str, name: str) -> int:
    """Return a time of the page's model, by the name that it has there."""
    text = (ROOT / "webui/src/model" / module).read_text()
    found = re.search(rf"^(?:export )?const {name} = (\d+);$", text, re.MULTILINE)
    assert found is not None, f"{module} has no {name}"
    return int(found[1])


UNHURRIED = """(() => {
    const { setTimeout } = window;
    window.setTimeout = (act, time, ...more) =>
        setTimeout(act, WAITS.includes(time) ? 30_000 : time, ...more);
})()""".replace(
    "WAITS",
    str(
        [
            milliseconds("identity.ts", "PATIENCE"),
            milliseconds("directs.ts", "PATIENCE"),
            milliseconds("history.ts", "SOUGHT_TIME"),
        ]
    ),
)
"""Has the page wait for longer than its second and a half before it goes on without what is slow to
come: its place in the browser, what is kept there, and where one reads on.  A person would rather
go on; a test would see something else."""

expect.set_options(timeout=PATIENCE * 1000)


class Person:
    """Somebody at a page of their own, in a browser profile of their own.

    `wrong` is what must not happen there: dialogs, errors, what a policy stopped, other hosts.
    """

    def __init__(
        self,
        context: BrowserContext,
        server: ServerProcess,
        host: str = "127.0.0.1",
        scheme: str = "http",
    ) -> None:
        """Take the profile, the server whose page it is, and the name that it is called by."""
        self.context = context
        self.wrong: list[str] = []
        self.address = f"{scheme}://{host}:{server.port}/"
        self.page = self.open()

    def open(self) -> Page:
        """Open one more page, that is watched."""
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        page.on("console", self._console)
        page.on("request", lambda request: self._request(request.url))
        page.on("popup", lambda popup: self.wrong.append(f"popup {popup.url}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " (event) => console.error('stopped', event.violatedDirective, event.blockedURI))"
        )
        page.add_init_script(UNHURRIED)
        return page

    def leave(self) -> None:
        """Close the page; there is another one, still empty."""
        page, self.page = self.page, self.open()
        page.close()

    def stand_outside(self) -> None:
        """Open nothing, where it has what the browser keeps for the page, when the page that had
        it has let go of that.
        """
        nothing = "<!doctype html><link rel='icon' href='data:,'>"
        self.page.route(
            "**/nothing", lambda route: route.fulfill(content_type="text/html", body=nothing)
        )
        self.page.goto(f"{self.address}nothing")
        self.page.wait_for_function(
            "async () => !navigator.locks || !(await navigator.locks.query()).held.length"
        )

    def come_back(self) -> None:
        """Open the page as who was there before."""
        self.stand_outside()
        self.page.goto(self.address)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _EXPECTED.search(message.text):
            self.wrong.append(f"{message.type} {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self.address, "blob:", "data:")):
            self.wrong.append(f"request {url}")

    def come(self, name: str, room: str = "") -> Person:
        """Open the page, in a room, and say who one is."""
        self.page.goto(self.address + (f"#{room}" if room else ""))
        field = self.page.get_by_label("What shall others call you?")
        field.fill(name)
        field.press("Enter")
        expect(self.box).to_be_visible()
        expect(self.page.get_by_role("button", name=re.compile("^Who is here: "))).to_be_visible()
        return self

    @property
    def box(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name=re.compile("^Message to"))

    @property
    def log(self) -> Locator:
        """What was said in the room that is open."""
        return self.page.get_by_role("log")

    def say(self, text: str) -> None:
        """Write and send."""
        self.box.fill(text)
        self.box.press("Enter")

    def tell(self, text: str) -> None:
        """Write, send, and wait until it is stored."""
        self.say(text)
        self.sees(text)
        self.all_stored()

    def all_stored(self) -> None:
        """Wait until what was seen of one's own is stored, all of it."""
        expect(self.page.locator(".row-own")).to_have_count(0)

    def kept(self, text: str) -> None:
        """Wait until the browser keeps this, as a part of what it keeps of a person."""
        self.page.wait_for_function(
            "(text) => (localStorage.getItem('tcpmsg.0.profile') ?? '').includes(text)", arg=text
        )

    def hurry(self) -> None:
        """Have a page that knows it has no connection try now, until it has one, and not when its
        wait is over.
        """
        self.page.wait_for_function(
            "() => dispatchEvent(new Event('online')) && document.querySelector('.me-online')",
            polling=250,
        )

    def sees(self, text: str, times: int = 1) -> None:
        """Wait until there are so many messages that hold the text."""
        expect(self.log.locator("article").filter(has_text=text)).to_have_count(times)

    def shows(self, texts: list[str]) -> None:
        """See these texts, in order, and no others: a list draws its rows by and by."""
        expect(self.log.locator(".text")).to_have_text(texts, use_inner_text=True)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives the browsers."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser for each test: in one that had many windows, the focus and the timers of a new one
    are no longer those of a person's.
    """
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
    yield browser
    browser.close()


@pytest.fixture
def person(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Person]]:
    """Have people come to a server's page, that of `server` unless told; nothing may have gone
    wrong at any of them.
    """
    people: list[Person] = []

    def arrive(
        at: ServerProcess | None = None,
        host: str = "127.0.0.1",
        scheme: str = "http",
        **profile: Any,
    ) -> Person:
        there = at or request.getfixturevalue("server")
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **profile})
        people.append(Person(context, there, host, scheme))
        return people[-1]

    yield arrive
    for each in people:
        each.context.close()
    assert [wrong for each in people for wrong in each.wrong] == []
