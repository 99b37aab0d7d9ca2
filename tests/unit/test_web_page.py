"""The chat's page and its files over HTTP: what is sent, how it may be kept, and what it may do."""

from __future__ import annotations

import gzip
import re
import tempfile
from importlib.resources import files
from pathlib import Path

from tests.unit.browsing import Answer, WebCase
from twisted_msg.web.page import TYPES, page_files, policy, takes_gzip

STATIC = files("twisted_msg.web") / "static"
LARGEST = 200 * 1024
"""Bytes of everything that the page loads, compressed: a second of a slow line."""


def csp(answer: Answer) -> dict[str, str]:
    """Return the rules of an answer's policy."""
    rules = answer.headers["Content-Security-Policy"].split("; ")
    return dict(rule.split(" ", 1) for rule in rules)


class PageTests(WebCase):
    def assets(self) -> list[str]:
        """Return the paths of the files that the page names."""
        found = re.findall(r'(?:src|href)="(/[^"]+)"', self.ask("/").body.decode())
        self.assertGreaterEqual(len(found), 3)
        return found

    def test_all_that_the_page_names_is_there(self) -> None:
        for path in self.assets():
            answer = self.ask(path)
            self.assertEqual(answer.status, 200, path)
            self.assertEqual(answer.body, (STATIC / path[1:]).read_bytes())
            kind = TYPES[path.rpartition(".")[2]].decode()
            self.assertEqual(answer.headers["Content-Type"], kind)
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")

    def test_what_changes_name_with_its_content_is_kept_for_ever(self) -> None:
        for path in self.assets():
            caching = self.ask(path).headers["Cache-Control"]
            self.assertEqual("immutable" in caching, path.startswith("/assets/"), path)
        self.assertEqual(self.ask("/").headers["Cache-Control"], "no-cache")

    def test_it_is_compressed_for_those_who_take_that(self) -> None:
        total = 0
        for path in ("/", *self.assets()):
            small = self.ask(path, Accept_Encoding="br, gzip;q=0.8")
            self.assertEqual(small.headers["Content-Encoding"], "gzip")
            self.assertEqual(int(small.headers["Content-Length"]), len(small.body))
            self.assertEqual(gzip.decompress(small.body), self.ask(path).body)
            self.assertEqual(small.headers["Vary"], "Accept-Encoding")
            total += len(small.body)
        self.assertLess(total, LARGEST)

    def test_who_has_it_already_is_told_so(self) -> None:
        for encoding in ("gzip", "identity"):
            tag = self.ask("/", Accept_Encoding=encoding).headers["ETag"]
            again = self.ask("/", Accept_Encoding=encoding, If_None_Match=tag)
            self.assertEqual((again.status, again.body), (304, b""))
            other = self.ask("/", Accept_Encoding="deflate", If_None_Match='"gone"')
            self.assertEqual(other.status, 200)
        self.assertNotEqual(
            self.ask("/").headers["ETag"], self.ask("/", Accept_Encoding="gzip").headers["ETag"]
        )

    def test_it_may_load_and_reach_its_own_server_and_nothing_else(self) -> None:
        answer = self.ask("/", Host="localhost:5050")
        self.assertEqual(
            csp(answer),
            {
                "default-src": "'none'",
                "script-src": "'self'",
                "style-src": "'self'",
                "img-src": "'self' data:",
                "connect-src": "'self' ws://localhost:5050 wss://localhost:5050",
                "frame-ancestors": "'none'",
                "base-uri": "'none'",
                "form-action": "'none'",
                "require-trusted-types-for": "'script'",
                "trusted-types": "'none'",
            },
        )
        self.assertEqual(answer.headers["Referrer-Policy"], "no-referrer")
        self.assertIn("camera=()", answer.headers["Permissions-Policy"])
        self.assertNotRegex(answer.body.decode(), r"<script>|<style>| on\w+=| style=|https?://")

    def test_a_host_that_is_none_is_no_part_of_the_policy(self) -> None:
        for host in (None, "", "a b", "a;script-src *", "a'"):
            self.assertIn(b"connect-src 'self'", policy(host))
            self.assertNotIn(b"ws:", policy(host))
        self.assertIn(b"ws://[::1]:5050 ", policy("[::1]:5050"))

    def test_nothing_but_its_files_is_there(self) -> None:
        for path in ("/index.html", "/assets", "/assets/", "/assets/../page.py", "/assets/x.js",
                     "/static/index.html", "/assets/%2e%2e/%2e%2e/page.py"):  # fmt: skip
            self.assertEqual(self.ask(path).status, 404, path)

    def test_head_and_other_methods(self) -> None:
        head = self.ask("/", method="HEAD")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(self.ask("/", method="PUT").status, 405)


class FolderTests(WebCase):
    def test_a_folder_without_a_page(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.assertRaises(OSError, list, page_files(Path(folder)))

    def test_a_file_of_a_kind_that_is_not_known(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "index.html").write_text("<!doctype html>")
            (Path(folder) / "x.exe").write_text("")
            self.assertRaises(KeyError, list, page_files(Path(folder)))

    def test_what_takes_gzip(self) -> None:
        for header in ("gzip", "GZIP", "br, gzip", "gzip;q=0.1", "x-gzip", "deflate , gzip ; q=1"):
            self.assertTrue(takes_gzip(header), header)
        for header in ("", "br", "gzip;q=0", "gzip;q=0.000", "gzipped", "*", "gzip;q=x"):
            self.assertFalse(takes_gzip(header), header)
