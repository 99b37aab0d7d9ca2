"""How fast the page is with a long history: `python -m tests.browser.speed`.

A server of its own is filled with messages; then a browser is timed: until one can write, while it
scrolls up through all of them and back, and while somebody types beside a busy room.  Figures, not
a test: nothing here fails because a machine is slow.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, QUIET
from tests.integration.commands import command, run, variables
from tests.integration.conftest import ServerProcess

SCROLL = """async ([step, seconds]) => {
    const log = document.querySelector('[role=log]');
    const deltas = [];
    const begun = performance.now();
    let before = await new Promise(requestAnimationFrame);
    let still = 0;
    while (performance.now() - begun < seconds * 1000 && still < 60) {
        const top = log.scrollTop;
        log.dispatchEvent(new WheelEvent('wheel'));
        log.scrollTop += step;
        const now = await new Promise(requestAnimationFrame);
        deltas.push(now - before);
        before = now;
        still = log.scrollTop === top ? still + 1 : 0;
    }
    return deltas;
}"""
"""Scrolls so many pixels a frame, and returns how long each frame took, in milliseconds."""

TYPE = """async (count) => {
    const area = document.querySelector('textarea');
    const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
    const waits = [];
    for (let index = 0; index < count; index += 1) {
        const begun = performance.now();
        set.call(area, area.value + 'x');
        area.dispatchEvent(new InputEvent('input', { bubbles: true }));
        area.offsetHeight;
        waits.push(performance.now() - begun);
        await new Promise((done) => setTimeout(done, 30 + 40 * Math.random()));
    }
    return waits;
}"""
"""Types, and returns how long each key took until it was laid out, in milliseconds."""

FIRST = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def spread(values: Sequence[float]) -> str:
    """Return median, 99th percentile and maximum."""
    ordered = sorted(values)
    middle, high = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]
    return f"median {middle:.1f}, 99 % {high:.1f}, longest {ordered[-1]:.1f} ms"


def frames(deltas: Sequence[float]) -> str:
    """Return what frames took, and how many were late."""
    late = sum(delta > 1000 / 60 * 1.5 for delta in deltas)
    rate = 1000 * len(deltas) / sum(deltas)
    return f"{len(deltas)} frames, {rate:.1f} a second, {late} late; {spread(deltas)}"


def opening(page: Page, address: str) -> tuple[float, float, float]:
    """Open the page and return when something, the text field, and the newest message are there.

    All in milliseconds from the start of the navigation.
    """
    page.goto(address, wait_until="commit")
    usable, shown = page.evaluate(
        """async () => {
            const until = async (there) => {
                while (!there()) await new Promise(requestAnimationFrame);
                return performance.now();
            };
            const usable = await until(() => document.querySelector('textarea'));
            return [usable, await until(() => document.querySelector('[role=log] article'))];
        }"""
    )
    page.wait_for_timeout(300)
    return page.evaluate(FIRST), usable, shown


def place(page: Page) -> str:
    """Return where one is, and how much is loaded."""
    at = page.locator("article .text").first.inner_text()
    tall = page.evaluate("document.querySelector('[role=log]').scrollHeight")
    return f"at {' '.join(at.split()[:2])}, with {tall:,} pixels loaded"


def measure(count: int, seconds: float) -> None:
    """Fill a server, time a browser, and print the figures."""
    static = files("twisted_msg.web") / "static"
    sizes = [
        len(gzip.compress(Path(str(path)).read_bytes()))
        for path in Path(str(static)).rglob("*")
        if path.is_file()
    ]
    print(f"files: {len(sizes)}, compressed {sum(sizes) / 1024:.1f} KiB")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = ServerProcess(folder, "--memory-room", "busy")
        stack.callback(server.kill)
        lines = "".join(f"message {n} of a long history, with some words\n" for n in range(count))
        filled = run(server, "send", "lobby", "--name", "filler", given=lines.encode())
        assert filled.returncode == 0, filled.stderr
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        address = f"http://{server.address}/"
        page.goto(address)
        page.get_by_label("What shall others call you?").fill("reader")
        page.keyboard.press("Enter")
        page.get_by_text(f"message {count - 1} ").wait_for()
        for kind, client in (("empty", page.context.browser.new_context), ("warm", None)):
            times: Any = []
            for _ in range(5):
                if client is not None:
                    fresh = client(storage_state=page.context.storage_state())
                    times.append(opening(fresh.new_page(), address))
                    fresh.close()
                else:
                    times.append(opening(page, address))
            first, usable, shown = (sorted(each)[2] for each in zip(*times, strict=True))
            print(
                f"open with {count:,} messages stored, {kind} cache, median of 5: first paint "
                f"{first:.0f}, text field {usable:.0f}, newest message {shown:.0f} ms"
            )
        page.get_by_text(f"message {count - 1} ").wait_for()
        for step, name in ((120, "fast wheel"), (600, "dragged scroll bar")):
            up = page.evaluate(SCROLL, [-step, seconds])
            print(f"scroll up, {step} pixels a frame ({name}): {frames(up)}")
        print(f"now {place(page)}")
        down = page.evaluate(SCROLL, [120, seconds / 2])
        print(f"scroll down, 120 pixels a frame: {frames(down)}")
        rest = page.evaluate(SCROLL, [-3000, 20 * seconds])
        print(f"scroll up to the beginning, 3,000 pixels a frame: {frames(rest)}")
        print(f"now {place(page)}")
        for step, name in ((120, "fast wheel"), (600, "dragged scroll bar")):
            all_there = page.evaluate(SCROLL, [step, seconds])
            print(f"scroll down, all loaded, {step} pixels a frame ({name}): {frames(all_there)}")
        page.keyboard.press("Escape")
        page.locator("textarea").focus()
        print(f"a key, quiet room: {spread(page.evaluate(TYPE, 100))}")
        busy = subprocess.Popen(
            [*command("bench", "lobby", "--rate", "500", "--duration", "15", "--members", "1")],
            env=variables(server), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        page.wait_for_timeout(2000)
        print(f"a key, 500 messages a second: {spread(page.evaluate(TYPE, 100))}")
        busy.terminate()
        busy.communicate()
        browser.close()


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.speed", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="messages that are stored")
    parser.add_argument("--seconds", type=float, default=15, help="how long to scroll")
    arguments = parser.parse_args()
    measure(arguments.count, arguments.seconds)


if __name__ == "__main__":
    main()
