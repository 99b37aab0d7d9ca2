"""What covers what, how large targets are, and what a dropped file does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.browser.conftest import PHONE, Person
from tests.integration.commands import run
from tests.integration.conftest import ServerProcess

CODE = "```python\n" + "x = 1; " * 60 + "\n```\nand " + "some words " * 60

COVERED = """([over, under]) => {
    const cover = document.querySelector(over).getBoundingClientRect();
    const range = document.createRange();
    return [...document.querySelectorAll(under)].flatMap((element) => {
        range.selectNodeContents(element);
        const shown = element.closest('.code')?.getBoundingClientRect();
        return [...range.getClientRects()].filter((text) =>
            text.width > 0 && cover.width > 0 &&
            Math.max(text.left, shown?.left ?? -Infinity) < cover.right - 1 &&
            Math.min(text.right, shown?.right ?? Infinity) > cover.left + 1 &&
            text.top < cover.bottom - 1 && text.bottom > cover.top + 1
        ).map(() => element.textContent);
    });
}"""
"""Returns the texts of elements that another element covers, by a pixel or more."""


def test_actions_and_labels_cover_no_text(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    for text in ("short", "some words " * 60, CODE, "last"):
        run(server, "send", "lobby", "--whole", "--name", "bob", given=text.encode())
    for profile in ({}, {"viewport": {"width": 760, "height": 600}}, PHONE):
        alice = person(**profile).come("alice")
        alice.sees("last")
        for row in alice.log.locator("article").all():
            if profile is PHONE:
                row.tap(position={"x": 100, "y": 5})
            else:
                row.hover(position={"x": 100, "y": 5})
            expect(row.get_by_role("button", name="Copy text")).to_be_visible()
            assert alice.page.evaluate(COVERED, [".row-actions", ".row-body"]) == []
        assert alice.page.evaluate(COVERED, [".code-language", ".code code"]) == []


def test_targets_are_large_enough_for_a_finger(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    for content in (b"a line\n" * 200, b"\x89PNG\r\n\x1a\n\x00"):
        run(server, "send", "lobby", "--whole", "--name", "bob", given=content)
    alice = person(**PHONE).come("alice")

    def assert_large() -> None:
        small = alice.page.evaluate(
            "[...document.querySelectorAll('button, [role=option], .choice label, .field')]"
            ".filter((each) => each.checkVisibility() && !each.closest('.unseen'))"
            ".filter((each) => Math.min(each.getBoundingClientRect().height,"
            " each.getBoundingClientRect().width) < 44).map((each) => each.outerHTML)"
        )
        assert small == []

    expect(alice.log.get_by_role("button", name=re.compile("^Show "))).to_be_visible()
    alice.log.locator("article").last.tap(position={"x": 100, "y": 5})
    expect(alice.log.get_by_role("button", name="Mention bob")).to_be_visible()
    assert_large()
    alice.box.fill("/hlep")
    alice.page.get_by_role("button", name="Send").tap()
    assert_large()
    alice.box.fill("@b")
    expect(alice.page.get_by_role("option", name="bob")).to_be_visible()
    assert_large()
    for opener in ("Conversations", "Settings"):
        alice.page.get_by_role("button", name=opener).tap()
        expect(alice.page.get_by_role("dialog")).to_be_visible()
        assert_large()
    alice.page.keyboard.press("Escape")
    alice.page.get_by_role("button", name="Who is here").tap()
    expect(alice.page.get_by_role("dialog", name="Here now")).to_be_visible()
    assert_large()


def test_a_dropped_file_leaves_the_chat_where_it_is(
    server: ServerProcess, person: Callable[..., Person], tmp_path: Path
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("this would be shown instead of the chat")
    alice = person().come("alice")
    alice.box.fill("half a thought")
    devtools = alice.context.new_cdp_session(alice.page)
    host = urlsplit(alice.address).netloc
    for x, y in ((600, 300), (600, 760)):  # among the messages, and where one writes
        for kind in ("dragEnter", "dragOver", "drop"):
            data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
            devtools.send("Input.dispatchDragEvent", {"type": kind, "x": x, "y": y, "data": data})
        notice = alice.page.locator(".notice").filter(
            has_text=f"tcpmsg send lobby --whole --server {host} < FILE"
        )
        expect(notice).to_be_visible()
        notice.get_by_role("button", name="Dismiss").click()
        expect(notice).to_have_count(0)
    expect(alice.box).to_have_value("half a thought")
    assert alice.page.url == f"{alice.address}#lobby"


def test_what_was_begun_survives_leaving_its_room(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice", "builds")
    alice.box.fill("half a thought")
    alice.page.get_by_role("button", name="Leave builds").click()
    expect(alice.page.get_by_role("heading", name="No conversation is open")).to_be_visible()
    alice.page.reload()
    expect(alice.box).to_have_value("")
    alice.page.goto(f"{alice.address}#builds")
    expect(alice.page.get_by_role("heading", name="builds", exact=True)).to_be_visible()
    expect(alice.box).to_have_value("half a thought")
