"""Three hundred hostile strings, as names, rooms and messages: they are shown, and nothing runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import expect

from tests.browser.conftest import DRAWN, Person
from tests.browser.hostile import STRINGS
from tests.integration.conftest import ServerProcess
from tests.integration.sockets import Peer

ELEMENTS = (
    "script, iframe, object, embed, svg:not(.icon), img, form, input, style, link, base, meta, "
    "video"
)
"""What no message may become."""


TYPE_ALL = """async (field, strings) => {
    const value = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value');
    for (const text of strings) {
        value.set.call(field, text);
        field.dispatchEvent(new InputEvent('input', { bubbles: true }));
        await new Promise((done) => setTimeout(done));
        if (field.form && !/^[A-Za-z0-9._-]{1,24}$/.test(field.value)) field.form.requestSubmit();
        await new Promise((done) => setTimeout(done));
    }
}"""
"""Types each string into a field, and submits its form if that must be refused."""


def unharmed(person: Person) -> None:
    """Fail if anything ran, or became anything."""
    assert person.wrong == []
    assert person.page.evaluate("window.hit") is None
    assert person.page.url.startswith(person.address)
    assert person.page.evaluate(
        "[...document.querySelectorAll('*')].every((each) => each.getAttributeNames()"
        ".every((name) => !name.startsWith('on')))"
    )


def test_as_messages(server: ServerProcess, person: Callable[..., Person]) -> None:
    assert len(set(STRINGS)) == 300
    alice = person().come("alice")
    with Peer(server) as peer:
        peer.say(*(text.encode() for text in STRINGS if text != "!DISCONNECT!"), b"the last")
        expect(alice.log.get_by_text("the last", exact=True)).to_be_visible()
        shown: dict[str, str] = {}
        for _ in range(300):
            rows, top, over = alice.page.evaluate(
                """async (elements) => {
                    const log = document.querySelector('[role=log]');
                    const markup = log.querySelector(elements);
                    if (markup) throw new Error('markup: ' + markup.outerHTML);
                    const bad = [...log.querySelectorAll('a')].filter((link) =>
                        !/^(https?|mailto):/.test(link.href)
                        || link.rel !== 'noopener noreferrer');
                    if (bad.length) throw new Error('link: ' + bad[0].href);
                    const read = () => [...log.querySelectorAll('[data-item-index]')].map((row) =>
                        [row.dataset.itemIndex, row.querySelector('.text')?.textContent ?? '']);
                    const rows = read();
                    for (const row of log.querySelectorAll('article')) {
                        row.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
                        row.focus({ preventScroll: true });
                    }
                    log.dispatchEvent(new WheelEvent('wheel'));
                    log.scrollTop -= log.clientHeight - 50;
                    await (DRAWN)(log);
                    const over = log.innerText.includes('The beginning of');
                    return [[...rows, ...read()], log.scrollTop, over];
                }""".replace("DRAWN", DRAWN),
                ELEMENTS,
            )
            shown.update(dict(rows))
            if top <= 0 and over:
                break
    texts = "\0".join(shown.values())
    for text in STRINGS:
        if "<" in text and "```" not in text and "`" not in text and "\n" not in text:
            assert re.sub("[\x00-\x08\x0b-\x1f]", "?", text) in texts, text
    unharmed(alice)


def test_as_names(person: Callable[..., Person]) -> None:
    alice = person()
    alice.page.goto(alice.address)
    field = alice.page.get_by_label("What shall others call you?")
    field.evaluate(TYPE_ALL, list(STRINGS))
    expect(field).to_be_visible()
    unharmed(alice)
    alice.leave()  # a page that goes keeps what it has, in place of what is put there
    alice.stand_outside()
    alice.page.evaluate(
        """(strings) => {
            const places = strings.map((text) => [text, 1]);
            const drafts = strings.map((text) => ['lobby', text]);
            const failures = strings.map((text, key) =>
                ({ key: '0:' + key, room: 'lobby', time: 1, text, reason: text }));
            const [name, open] = strings;
            const secret = 'sixteen-or-more-letters';
            const profile = { secret, name, open, places, drafts, failures };
            localStorage.setItem('tcpmsg.0.profile', JSON.stringify(profile));
            return new Promise((done) => {
                const opens = indexedDB.open('tcpmsg', 1);
                opens.onupgradeneeded = () => opens.result.createObjectStore('directs');
                opens.onsuccess = () => {
                    const act = opens.result.transaction('directs', 'readwrite');
                    const store = act.objectStore('directs');
                    strings.forEach((text, number) => {
                        const peer = number % 2 ? text : '@bob';
                        const message = { peer, sender: text, time: 1, content: text };
                        store.put(message, ['tcpmsg.0.', number]);
                        store.put(text, ['tcpmsg.0.', 1000 + number]);
                    });
                    act.oncomplete = done;
                };
            });
        }""",
        list(STRINGS),
    )
    alice.come_back()
    field = alice.page.get_by_label("What shall others call you?")
    field.fill("alice")
    field.press("Enter")
    expect(alice.box).to_be_visible()
    alice.page.evaluate("location.hash = '@bob'")
    expect(alice.page.get_by_role("log", name="Messages in @bob")).to_be_visible()
    unharmed(alice)


def test_as_rooms(person: Callable[..., Person]) -> None:
    alice = person().come("alice")
    alice.page.evaluate(
        """async (hashes) => {
            for (const hash of hashes) {
                location.hash = hash;
                await new Promise((done) => setTimeout(done));
            }
        }""",
        [quote(text, safe="") for text in STRINGS],
    )
    alice.page.evaluate("location.hash = 'lobby'")
    expect(alice.page.get_by_role("heading", name="lobby", exact=True)).to_be_visible()
    alice.page.keyboard.press("Control+k")
    field = alice.page.get_by_role("combobox")
    field.evaluate(TYPE_ALL, list(STRINGS))
    unharmed(alice)
