"""Who may ask over HTTP."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.web.origin import Names, Place, read_place

NAMES = Names(["box", "Chat.Example.Org."])


class PlaceTests(SynchronousTestCase):
    def test_places(self) -> None:
        for text, place in (
            ("localhost", Place("localhost", None)),
            ("LOCALHOST:80", Place("localhost", 80)),
            ("localhost.:80", Place("localhost", 80)),
            ("192.0.2.1:5050", Place("192.0.2.1", 5050)),
            ("[::1]", Place("::1", None)),
            ("[2001:DB8::1]:443", Place("2001:db8::1", 443)),
        ):
            self.assertEqual(read_place(text), place)

    def test_what_is_none(self) -> None:
        for text in (
            "", ":80", "a:", "a:b", "a:123456", "::1", "[::1", "a b", "a/b", "user@a", "a,b", "a\t",
            "é", "a" * 256, "[::1]x", "http://a", "a:80:80", "a\n",
        ):  # fmt: skip
            self.assertIsNone(read_place(text), text)


class HostTests(SynchronousTestCase):
    def test_names_of_its_own(self) -> None:
        for host in (
            None, "localhost", "localhost:5050", "box", "BOX:1", "chat.example.org",
            "chat.example.org.", "127.0.0.1:5050", "192.0.2.1", "[::1]:5050", "[fe80::1]",
        ):  # fmt: skip
            self.assertEqual(NAMES.refusal(host, None), "", host)

    def test_names_of_others(self) -> None:
        for host in (
            "evil.example", "localhost.evil.example", "xbox", "box.evil", "127.0.0.1.evil.example",
            "example.org", "2130706433", "0x7f.1", "127.1",
        ):  # fmt: skip
            self.assertIn(f"with --web-host {host}", NAMES.refusal(host, None))

    def test_no_names(self) -> None:
        for host in ("", "a b", "http://box", "box,box"):
            self.assertEqual(NAMES.refusal(host, None), "the Host header names no host")


class OriginTests(SynchronousTestCase):
    def test_the_same(self) -> None:
        for host, origin in (
            ("localhost:5050", "http://localhost:5050"),
            ("localhost", "http://localhost"),
            ("localhost:80", "http://localhost"),
            ("localhost", "http://localhost:80"),
            ("chat.example.org", "https://chat.example.org"),
            ("chat.example.org:443", "https://chat.example.org"),
            ("BOX:1", "http://box:1"),
            ("[::1]:5050", "http://[::1]:5050"),
        ):
            self.assertEqual(NAMES.refusal(host, origin), "", (host, origin))

    def test_another(self) -> None:
        for host, origin in (
            ("localhost:5050", "http://localhost:5051"),
            ("localhost:5050", "http://localhost"),
            ("localhost", "http://localhost:443"),
            ("localhost", "https://localhost:80"),
            ("localhost", "http://127.0.0.1"),
            ("localhost", "http://evil.example"),
            ("localhost", "null"),
            ("localhost", ""),
            ("localhost", "localhost"),
            ("localhost", "file://localhost"),
            ("localhost", "http://localhost/"),
            ("localhost", "http://localhost http://evil.example"),
            ("localhost", "http://user@localhost"),
            (None, "http://localhost"),
        ):
            self.assertIn("another origin", NAMES.refusal(host, origin), (host, origin))
