"""What goes wrong outside, and is made good again: nothing is lost, nothing is doubled."""

from __future__ import annotations

import signal
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import Person, milliseconds
from tests.integration.commands import run
from tests.integration.conftest import ServerProcess

ANSWERED = """(() => {
    const { setTimeout } = window;
    const answer = new Promise((done) => {
        const heard = ({ data }) => data.kind === 'taken' && done();
        new BroadcastChannel('tcpmsg.locks').onmessage = heard;
    });
    window.setTimeout = (act, time, ...more) => time === ANSWER_TIME
        ? void answer.then(() => setTimeout(act, time, ...more))
        : setTimeout(act, time, ...more);
})()""".replace("ANSWER_TIME", str(milliseconds("claims.ts", "ANSWER_TIME")))
"""Has a tab that asks whether another one has its place wait until one has answered, and then as
long as it does otherwise: the one that is asked may be slow."""


def everything(server: ServerProcess) -> list[str]:
    """Return what the server has of the lobby."""
    told = run(server, "recv", "lobby", "--from", "1", "--until-end")
    assert told.returncode == 0, told.stderr
    return told.stdout.decode().splitlines()


def test_the_server_is_killed_while_people_write(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice, bob = person().come("alice"), person().come("bob")
    for round_ in range(2):
        for number in range(5):
            alice.say(f"alice {round_}.{number}")
            bob.say(f"bob {round_}.{number}")
        server.kill()
        expect(alice.page.get_by_text("The server does not answer.")).to_be_visible()
        alice.say(f"alice waits {round_}")
        expect(alice.log.get_by_text("Waiting for a connection").first).to_be_visible()
        server.start()
        alice.hurry()
        bob.hurry()
        expect(alice.log.get_by_text("Waiting for a connection")).to_have_count(0)
        bob.sees(f"alice waits {round_}")
    for each in (alice, bob):
        each.all_stored()
    stored = everything(server)
    expected = [
        *(f"{name} {round_}.{number}"
          for name in ("alice", "bob") for round_ in range(2) for number in range(5)),
        *(f"alice waits {round_}" for round_ in range(2)),
    ]  # fmt: skip
    assert sorted(stored) == sorted(expected)
    for name in ("alice", "bob"):
        mine = [text for text in stored if text.startswith(f"{name} ") and "waits" not in text]
        assert mine == sorted(mine)
    for each in (alice, bob):
        each.page.set_viewport_size({"width": 1280, "height": 3000})
        each.sees("alice 0.0")
        each.shows(stored)


def test_a_server_that_stands_still_is_found_out(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person()
    alice.page.clock.install()
    alice.come("alice").tell("before")
    server.process.send_signal(signal.SIGSTOP)
    alice.say("is anybody there?")
    alice.page.clock.fast_forward(10_000)  # as long as an answer may take
    expect(alice.log.get_by_text("Waiting for a connection")).to_be_visible()
    server.process.send_signal(signal.SIGCONT)
    alice.hurry()
    alice.all_stored()
    assert everything(server) == ["before", "is anybody there?"]
    alice.shows(["before", "is anybody there?"])


def test_one_goes_offline_and_reads_on(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice, bob = person().come("alice"), person().come("bob")
    alice.say("before")
    bob.sees("before")
    bob.context.set_offline(True)
    server.kill()  # a browser's "offline" cuts no connection that there is
    server.start()
    expect(bob.page.get_by_text("This device is offline.")).to_be_visible()
    alice.page.bring_to_front()
    bob.say("from under the bridge")
    expect(bob.log.get_by_text("Waiting for a connection")).to_be_visible()
    alice.hurry()
    for number in range(60):
        alice.say(f"meanwhile {number}")
    alice.sees("meanwhile 59")
    alice.all_stored()
    bob.context.set_offline(False)
    bob.hurry()
    alice.sees("from under the bridge")
    bob.sees("meanwhile 59")
    stored = everything(server)
    assert stored == ["before", *(f"meanwhile {n}" for n in range(60)), "from under the bridge"]
    bob.page.set_viewport_size({"width": 1280, "height": 6000})
    bob.sees("meanwhile 0", 1)
    bob.shows(stored)


def test_the_outbox_survives_a_reload(server: ServerProcess, person: Callable[..., Person]) -> None:
    alice = person().come("alice")
    alice.tell("stored before")
    server.kill()
    expect(alice.page.get_by_text("The server does not answer.")).to_be_visible()
    for number in range(3):
        alice.say(f"kept {number}")
    expect(alice.page.get_by_text("3 messages wait and are sent then.")).to_be_visible()
    alice.box.fill("half a sent")
    alice.kept("half a sent")
    alice.leave()
    server.start()
    alice.come_back()
    alice.sees("kept 2")
    alice.all_stored()
    expect(alice.box).to_have_value("half a sent")
    assert everything(server) == ["stored before", "kept 0", "kept 1", "kept 2"]
    alice.shows(["stored before", "kept 0", "kept 1", "kept 2"])


def test_the_outbox_survives_a_tab_of_a_page_that_is_not_secure(
    start: Callable[..., ServerProcess], person: Callable[..., Person]
) -> None:
    server = start("--web-host", "chat.example")
    alice = person(at=server, host="chat.example").come("alice")
    assert alice.page.evaluate("[isSecureContext, navigator.locks]") == [False, None]
    beside = alice.open()
    beside.add_init_script(ANSWERED)
    beside.goto(alice.address)
    expect(beside.get_by_text("Another window of this browser is open")).to_be_visible()
    beside.close()
    server.kill()
    expect(alice.page.get_by_text("The server does not answer.")).to_be_visible()
    alice.say("kept")
    expect(alice.page.get_by_text("1 message waits and is sent then.")).to_be_visible()
    alice.leave()
    server.start()
    alice.come_back()
    alice.sees("kept")
    alice.all_stored()
    expect(alice.page.locator(".me").get_by_text("alice", exact=True)).to_be_visible()
    assert everything(server) == ["kept"]
    alice.page.reload()
    alice.sees("kept")
    expect(alice.page.locator(".me").get_by_text("alice", exact=True)).to_be_visible()


def test_another_page_takes_over_and_gives_back(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice")
    state = alice.context.storage_state()
    other = person(storage_state=state)
    other.page.goto(other.address)
    expect(alice.page.get_by_role("heading", name="This chat goes on elsewhere")).to_be_visible()
    alice.page.get_by_role("button", name="Go on here").click()
    expect(other.page.get_by_role("heading", name="This chat goes on elsewhere")).to_be_visible()
    alice.tell("here again")


def test_what_is_no_longer_kept_is_told(
    server: ServerProcess, person: Callable[..., Person]
) -> None:
    alice = person().come("alice")
    alice.tell("the first")
    server.kill()
    # the same store at another port, so that she cannot come back before it is full
    elsewhere = ServerProcess(server.folder, "--retain", "64k")
    try:
        filler = "".join(f"{number} {'x' * 1000}\n" for number in range(90))
        assert run(elsewhere, "send", "lobby", given=filler.encode()).returncode == 0
        strictly = ("recv", "lobby", "--from", "1", "--until-end", "--strict")
        while run(elsewhere, *strictly).returncode != 7:
            run(elsewhere, "send", "lobby", "more")  # a commit makes room for what it brings
    finally:
        elsewhere.stop()
    server.start()
    alice.hurry()
    alice.page.set_viewport_size({"width": 1280, "height": 40_000})  # so that all of it is drawn
    expect(alice.log.get_by_text("messages are missing here")).to_be_attached()
