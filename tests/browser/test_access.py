"""The page for everybody: what axe finds, in both themes; and nothing but a keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PHONE, Person
from tests.integration.commands import run
from tests.integration.conftest import ROOT, ServerProcess

AXE = (ROOT / "webui/node_modules/axe-core/axe.min.js").read_text()

FRAMES = 600
"""For how many frames something is waited for: ten seconds where all goes well."""

STILL = """async (frames) => {
    const moving = () => document.getAnimations().some((each) =>
        each.playState === 'running' && each.effect.getTiming().iterations === 1);
    for (let frame = 0; frame < frames; frame += 1) {
        if (moving()) {
            await new Promise(requestAnimationFrame);
            continue;
        }
        let changes = 0;
        const watch = new MutationObserver((news) => { changes += news.length; });
        watch.observe(document, {
            subtree: true, childList: true, attributes: true, characterData: true
        });
        const { violations } = await axe.run({ resultTypes: ['violations'] });
        changes += watch.takeRecords().length;
        watch.disconnect();
        if (changes === 0 && !moving()) return violations;
    }
    throw new Error('the page does not stand still');
}"""
"""Has axe look until it has seen a page in which nothing came, went or moved while it looked."""


def faults(page: Page) -> list[str]:
    """Return what axe finds of serious or critical impact, in a page that stands still."""
    page.evaluate(f"() => {{ {AXE} }}")
    found = page.evaluate(STILL, FRAMES)
    return [
        f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']][:3]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(
    ("theme", "shape"), [("light", "desk"), ("dark", "desk"), ("dark", "phone")]
)
def test_axe_finds_nothing_serious(
    server: ServerProcess, person: Callable[..., Person], theme: str, shape: str
) -> None:
    profile: dict[str, Any] = {**(PHONE if shape == "phone" else {}), "color_scheme": theme}
    alice = person(**profile, bypass_csp=True)
    assert run(server, "demo", "--pace", "0").returncode == 0
    alice.page.goto(alice.address)
    expect(alice.page.get_by_role("button", name="Join")).to_be_visible()
    found = {"welcome": faults(alice.page)}
    alice.come("alice")
    alice.sees("And we are done.")
    run(server, "send", "lobby", "@alice this is for you", "--name", "bob")
    alice.sees("this is for you")
    found["room"] = faults(alice.page)
    for keys, name in (("Control+k", "go"), ("Control+/", "keys")):
        alice.page.keyboard.press(keys)
        expect(alice.page.get_by_role("dialog")).to_be_visible()
        found[name] = faults(alice.page)
        alice.page.keyboard.press("Escape")
        expect(alice.page.get_by_role("dialog")).to_have_count(0)
    if shape == "phone":
        alice.page.get_by_role("button", name="Conversations").tap()
        expect(alice.page.get_by_role("dialog", name="Conversations")).to_be_visible()
        found["conversations"] = faults(alice.page)
    alice.page.get_by_role("button", name="Settings").click()
    expect(alice.page.get_by_role("heading", name="Settings")).to_be_visible()
    found["settings"] = faults(alice.page)
    alice.page.keyboard.press("Escape")
    alice.page.keyboard.press("Control+k")
    alice.page.keyboard.type("@nobody")
    alice.page.keyboard.press("Enter")
    expect(alice.page.get_by_role("heading", name="nobody", exact=True)).to_be_visible()
    alice.box.fill("hello")
    alice.page.get_by_role("button", name="Send").click()
    expect(alice.log.get_by_text("Not sent:")).to_be_visible()
    found["failed"] = faults(alice.page)
    server.kill()
    expect(alice.page.get_by_text("The server does not answer.")).to_be_visible()
    found["offline"] = faults(alice.page)
    assert {name: each for name, each in found.items() if each} == {}


FOCUSED = "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"


def focused(page: Page) -> str:
    """Return what has the keyboard, as a screen reader calls it."""
    return str(page.evaluate(FOCUSED))


def comes_to(page: Page, name: str) -> None:
    """Wait until the keyboard is at what has this name."""
    page.wait_for_function(f"(name) => ({FOCUSED}) === name", arg=name)


def has_keyboard(element: Locator) -> None:
    """Wait until an element has the keyboard, whichever window the browser has in front.

    It is looked for anew in each frame, for a row that was sent is drawn again when it is stored.
    """
    for _ in range(FRAMES):
        if element.evaluate("(element) => document.activeElement === element"):
            return
        element.page.evaluate("() => new Promise(requestAnimationFrame)")
    raise AssertionError(f"{focused(element.page)!r} has the keyboard")


def test_nothing_but_a_keyboard(server: ServerProcess, person: Callable[..., Person]) -> None:
    bob = person().come("bob")
    alice = person()
    press, page = alice.page.keyboard.press, alice.page
    page.goto(alice.address)
    has_keyboard(page.get_by_label("What shall others call you?"))  # without a click
    page.keyboard.type("alice")
    press("Enter")
    has_keyboard(alice.box)
    page.keyboard.type("first line")
    press("Shift+Enter")
    page.keyboard.type("hello @b")
    expect(page.get_by_role("option", name="bob")).to_be_visible()
    press("Tab")
    page.keyboard.type("!")
    press("Enter")
    bob.sees("first line\nhello @bob !")
    bob.say("hello alice")
    alice.sees("hello alice")

    press("ArrowUp")  # to the newest message
    has_keyboard(alice.log.locator("article").last)
    press("Tab")
    comes_to(page, "Copy text")
    press("Tab")
    comes_to(page, "Mention bob")
    press("Enter")
    expect(alice.box).to_have_value("@bob ")
    has_keyboard(alice.box)
    page.keyboard.type("yes")
    press("Enter")
    alice.sees("@bob yes")
    press("ArrowUp")
    has_keyboard(alice.log.locator("article").last)
    press("ArrowUp")
    has_keyboard(alice.log.locator("article").nth(-2))
    press("Escape")
    has_keyboard(alice.box)

    press("Control+k")
    page.keyboard.type("@bob")
    press("Enter")
    page.keyboard.type("psst")
    press("Enter")
    alice.sees("psst")
    press("Alt+ArrowUp")
    expect(page.get_by_role("heading", name="lobby", exact=True)).to_be_visible()
    has_keyboard(alice.box)

    press("Control+/")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    press("Escape")
    has_keyboard(alice.box)
    for _ in range(30):  # Tab reaches the settings, and comes round
        press("Tab")
        if focused(page) == "Settings":
            break
    press("Enter")
    expect(page.get_by_role("dialog", name="Settings")).to_be_visible()
    for _ in range(10):
        press("Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    press("ArrowDown")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    press("ArrowDown")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    press("Escape")
    comes_to(page, "Settings")


def test_what_comes_is_said_to_a_screen_reader(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice")
    expect(alice.page.get_by_role("heading", name="lobby is quiet")).to_be_visible()
    assert run(server, "send", "lobby", "good morning", "--name", "bob").returncode == 0
    expect(alice.page.locator("[data-spoken]")).to_have_text("bob: good morning")
    expect(alice.page.locator("[data-spoken]")).to_have_attribute("aria-live", "polite")
