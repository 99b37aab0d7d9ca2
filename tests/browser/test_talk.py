"""People, terminals and scripts talk in the same rooms."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import DRAWN, PHONE, Person
from tests.integration.commands import run
from tests.integration.conftest import ServerProcess
from tests.integration.sockets import Peer


def test_two_people_and_a_terminal_and_a_script(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice, bob = person().come("alice"), person(color_scheme="dark").come("bob")
    expect(alice.page.get_by_text("2 here")).to_be_visible()
    alice.say("hello, bob")
    bob.sees("hello, bob")
    bob.say("hello **alice**, `code` and https://example.org/")
    alice.sees("hello **alice**")
    assert run(server, "send", "lobby", "from a terminal", "--name", "term").returncode == 0
    with Peer(server) as peer:
        peer.say(b"from a socket")
        for each in (alice, bob):
            each.sees("from a terminal")
            each.sees("from a socket")
        alice.say("back to you")
        while peer.hear() != b"back to you":
            pass
    shown = run(server, "recv", "lobby", "--from", "1", "--until-end").stdout.decode().splitlines()
    assert shown[:1] == ["hello, bob"]
    expect(bob.log.get_by_text("back to you")).to_be_visible()
    for each in (alice, bob):
        each.shows([line.replace("`", "") for line in shown])
    link = bob.log.get_by_role("link", name="https://example.org/")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_two_windows_of_one_browser_are_two_people(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    first = person().come("alice")
    page = first.open()
    page.goto(first.address)
    expect(page.get_by_text("Another window of this browser is open")).to_be_visible()
    page.get_by_label("What shall others call you?").fill("alice")
    page.get_by_role("button", name="Join").click()
    expect(page.get_by_text("alice is taken, so you are alice-2 here.").first).to_be_visible()
    page.reload()
    expect(page.locator(".me").get_by_text("alice-2", exact=True)).to_be_visible()  # she is back
    first.page.reload()
    expect(first.page.locator(".me").get_by_text("alice", exact=True)).to_be_visible()


def test_rooms_unread_mentions_and_direct_messages(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice, bob = person().come("alice"), person().come("bob", "builds")
    alice.page.keyboard.press("Control+k")
    alice.page.keyboard.type("buil")
    expect(alice.page.get_by_role("option", name="builds 1 here")).to_be_visible()
    alice.page.keyboard.press("Enter")
    expect(alice.page.get_by_role("heading", name="builds", exact=True)).to_be_visible()
    expect(alice.page.get_by_role("heading", name="builds is quiet")).to_be_visible()
    alice.page.get_by_role("button", name="lobby").click()
    expect(alice.page.get_by_role("heading", name="lobby", exact=True)).to_be_visible()
    for text in ("one", "two", "@alice three"):
        bob.say(text)
    expect(alice.page.get_by_role("button", name=re.compile("3 unread, 1 for you"))).to_be_visible()
    expect(alice.page).to_have_title("(1) lobby \N{EN DASH} tcpmsg")
    alice.page.keyboard.press("Alt+Shift+ArrowDown")
    expect(alice.log.get_by_role("separator", name="New messages")).to_be_visible()
    expect(alice.page.get_by_role("button", name=re.compile("unread"))).to_have_count(0)

    bob.page.get_by_role("button", name="Write to alice").first.click()
    bob.say("only you")
    direct = alice.page.get_by_role("button", name=re.compile(r"^bob ?, 1 unread"))
    direct.click()
    alice.sees("only you")
    alice.say("and only you")
    bob.sees("and only you")
    alice.page.reload()
    alice.sees("only you", 2)  # the browser keeps what the server does not
    bob.page.get_by_role("button", name="Close this conversation").click()
    alice.page.keyboard.press("Control+k")
    alice.page.keyboard.type("@nobody")
    alice.page.keyboard.press("Enter")
    alice.say("hello?")
    expect(alice.log.get_by_text("Not sent: nobody called nobody")).to_be_visible()


def test_direct_messages_are_kept_whatever_they_are(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice")
    long = "a long story\n" + "and so on " * 40_000
    for content in (b"\x89PNG\r\n\x1a\n\x00", long.encode(), b"short"):
        told = run(server, "send", "@alice", "--whole", "--name", "bob", given=content)
        assert told.returncode == 0, told.stderr
    alice.page.get_by_role("button", name=re.compile(r"^bob ?, 3 unread")).click()
    alice.sees("short")
    for _ in range(2):
        alice.sees("PNG image, 9 bytes")
        alice.sees("a long story")
        expect(alice.log.get_by_role("button", name="Download the whole text")).to_be_visible()
        alice.page.reload()


def test_a_room_is_opened_where_one_stopped_reading(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice")
    run(server, "send", "lobby", "read this")
    alice.sees("read this")
    alice.kept('["lobby",1]')  # that it is read
    alice.leave()
    lines = "".join(f"step {number}\n" for number in range(1, 801))
    assert run(server, "send", "lobby", given=lines.encode()).returncode == 0
    alice.come_back()
    mark = alice.log.get_by_role("separator", name="New messages")
    expect(mark).to_be_in_viewport()
    expect(alice.log.get_by_text("read this")).to_be_in_viewport()
    expect(alice.log.get_by_text("step 1", exact=True)).to_be_in_viewport()
    newest = alice.page.get_by_role("button", name="99+ new")
    newest.click()
    expect(alice.log.get_by_text("step 800", exact=True)).to_be_in_viewport()
    expect(newest).to_have_count(0)
    alice.kept('["lobby",801]')
    alice.page.reload()
    expect(alice.log.get_by_text("step 800", exact=True)).to_be_in_viewport()
    expect(mark).to_have_count(0)


def test_the_first_room_is_that_of_plain_clients(
    start: Callable[..., ServerProcess], person: Callable[..., Person]
) -> None:
    server = start("--room", "hall")
    alice = person(at=server).come("alice")
    with Peer(server) as peer:
        peer.say(b"from a socket")
        alice.sees("from a socket")
    expect(alice.page).to_have_url(f"{alice.address}#hall")


SHOWN = """() => {
    const shown = window.shown = [];
    window.Notification = class extends Notification {
        constructor(title, options) {
            super(title, options);
            this.addEventListener('show', () => shown.push(`${title}: ${options.body}`));
            this.addEventListener('error', () => shown.push(`error ${title}`));
        }
    };
}"""
"""Tells of each notification of the browser's own that it has shown."""


def test_a_notification_comes_for_who_is_called_and_does_not_look(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person(permissions=["notifications"])
    alice.page.add_init_script(f"({SHOWN})()")
    alice.come("alice")
    alice.page.get_by_role("button", name="Settings").click()
    mentions = alice.page.get_by_role("radio", name=re.compile("Mentions"))
    mentions.click()
    expect(mentions).to_be_checked()
    alice.page.keyboard.press("Escape")
    run(server, "send", "lobby", "@alice while she looks", "--name", "bob")
    alice.sees("while she looks")
    devtools = alice.context.new_cdp_session(alice.page)
    devtools.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
    other = alice.context.new_page()
    other.bring_to_front()
    alice.page.wait_for_function("!document.hasFocus()")
    run(server, "send", "lobby", "nothing of hers", "--name", "bob")
    run(server, "send", "lobby", "@alice come back", "--name", "bob")
    run(server, "send", "@alice", "and this", "--name", "bob")
    alice.page.wait_for_function("window.shown.length === 2")
    assert sorted(alice.page.evaluate("window.shown")) == [
        "bob in lobby: @alice come back",
        "bob: and this",
    ]


def test_what_is_unread_stays_unread_until_it_is_seen(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice", "builds")
    alice.page.goto(alice.address + "#lobby")
    expect(alice.page.get_by_role("heading", name="lobby", exact=True)).to_be_visible()
    unread = alice.page.get_by_role("button", name=re.compile("builds , more than 99 unread"))
    lines = "".join(f"step {number}\n" for number in range(1, 151))
    assert run(server, "send", "builds", given=lines.encode()).returncode == 0
    unread.click()
    expect(alice.log.get_by_role("separator", name="New messages")).to_be_visible()
    newest = alice.page.get_by_role("button", name="99+ new")
    expect(newest).to_be_visible()
    alice.page.get_by_role("button", name="lobby").click()
    unread.click()
    newest.click()
    expect(alice.log.get_by_text("step 150", exact=True)).to_be_visible()
    expect(alice.page.get_by_role("button", name=re.compile("unread"))).to_have_count(0)


def test_a_long_history_is_there_as_one_scrolls_up(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    lines = "".join(f"message {number}\n" for number in range(1, 3001))
    assert run(server, "send", "lobby", given=lines.encode()).returncode == 0
    alice = person().come("alice")
    expect(alice.log.get_by_text("message 3000", exact=True)).to_be_visible()
    expect(alice.log.get_by_text("message 3000", exact=True)).to_be_in_viewport()
    seen: set[int] = set()
    for step in range(400):
        rows = alice.page.evaluate(
            f"""async (scrolls) => {{
                const log = document.querySelector('[role=log]');
                if (scrolls) {{
                    log.dispatchEvent(new WheelEvent('wheel'));
                    log.scrollTop -= log.clientHeight - 50;
                }}
                await ({DRAWN})(log);
                return [...log.querySelectorAll('article .text')]
                    .map((row) => row.innerText.trim());
            }}""",
            step > 0,
        )
        numbers = [int(row.split()[1]) for row in rows]
        assert numbers == sorted(numbers)
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "a gap, or a double"
        seen.update(numbers)
        if 1 in seen:
            break
    assert seen == set(range(1, 3001))
    expect(alice.log.get_by_role("heading", name="The beginning of lobby")).to_be_visible()
    run(server, "send", "lobby", "while reading")
    expect(alice.page.get_by_role("button", name="1 new")).to_be_visible()
    alice.page.get_by_role("button", name="1 new").click()
    expect(alice.log.get_by_text("while reading")).to_be_visible()


def test_what_is_no_text_can_be_downloaded(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person(accept_downloads=True).come("alice")
    content = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    assert run(server, "send", "lobby", "--whole", given=content).returncode == 0
    alice.sees("PNG image, 264 bytes")
    with alice.page.expect_download() as waiting:
        alice.log.get_by_role("button", name="Download PNG image, 264 bytes").click()
    assert waiting.value.suggested_filename == "lobby-1.png"
    assert waiting.value.path().read_bytes() == content


def test_a_phone(server: ServerProcess, person: Callable[..., Person]) -> None:
    alice = person(**PHONE).come("alice")
    bob = person().come("bob")
    bob.say("a word that is very long: " + "x" * 300 + "\n```\n" + "y" * 300 + "\n```")
    alice.sees("a word that is very long")
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    alice.page.wait_for_function(f"{overflow} === 0")
    alice.box.fill("one\ntwo")
    alice.page.get_by_role("button", name="Send").tap()
    bob.sees("one\ntwo")
    alice.page.get_by_role("button", name="Conversations").tap()
    alice.page.get_by_role("button", name="Join or create a room").tap()
    alice.page.get_by_role("combobox").fill("builds")
    alice.page.get_by_role("option", name="Create builds").tap()
    expect(alice.page.get_by_role("heading", name="builds is quiet")).to_be_visible()
    alice.page.get_by_role("button", name="Who is here").tap()
    expect(alice.page.get_by_role("dialog").get_by_text("alice", exact=True)).to_be_visible()
    alice.page.keyboard.press("Escape")
    for room in ("builds", "lobby"):
        alice.page.get_by_role("button", name=f"Leave {room}").tap()
    expect(alice.page.get_by_role("heading", name="No conversation is open")).to_be_visible()
    alice.page.get_by_role("button", name="Conversations").tap()
    expect(alice.page.get_by_role("button", name="Settings")).to_be_visible()
    small = alice.page.evaluate(
        "[...document.querySelectorAll('button')].filter((each) => each.checkVisibility()"
        " && each.getBoundingClientRect().height < 44).map((each) => each.outerHTML)"
    )
    assert small == []
