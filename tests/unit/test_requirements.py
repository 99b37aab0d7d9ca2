"""What pip installs with tcpmsg: setup.cfg's ranges, deploy/'s pins, Twisted's private parts."""

from __future__ import annotations

import socket
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.haproxy import proxyEndpoint
from twisted.protocols.haproxy._wrapper import HAProxyProtocolWrapper
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import HTTPChannel

HERE = Path(__file__).parents[2]

RUNTIME = ("chat", "tls")
"""The extras of people who use it; the others are for those who work on it."""

TRANSPORT = (
    "TLS", "_tempDataBuffer", "_tempDataLen", "_writeDisconnected", "_writeDisconnecting",
    "dataBuffer", "offset", "producerPaused", "streamingProducer",
)  # fmt: skip
CHANNEL = (
    "_buffer", "_dataBuffer", "_requestProducer", "_respondToBadRequestAndDisconnect",
    "_transferDecoder", "_version",
)  # fmt: skip
DECODER = ("_buffer", "_receivedTrailerHeadersSize", "_trailerHeaders")


def requirements() -> list[Requirement]:
    """Return what setup.cfg says that people who use it need."""
    config = ConfigParser()
    config.read(HERE / "setup.cfg")
    extras = config["options.extras_require"]
    texts = [config["options"]["install_requires"], *(extras[name] for name in RUNTIME)]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    """Return the pinned version of each package, by its canonical name."""
    lines = (HERE / "deploy" / "constraints.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {}
    for each in found:
        (pin,) = each.specifier
        assert pin.operator == "==", each
        versions[canonicalize_name(each.name)] = pin.version
    assert len(versions) == len(found)
    return versions


class ConstraintTests(SynchronousTestCase):
    def check(self, needed: Requirement, by: str) -> None:
        pinned = pins().get(canonicalize_name(needed.name))
        self.assertIsNotNone(pinned, f"{by} needs {needed}, which deploy/constraints.txt lacks")
        fits = needed.specifier.contains(pinned, prereleases=True)
        self.assertTrue(fits, f"{by} needs {needed}, and deploy/constraints.txt has {pinned}")

    def test_what_setup_cfg_names_is_pinned_in_its_range(self) -> None:
        for needed in requirements():
            self.check(needed, "setup.cfg")

    def test_what_that_needs_is_pinned_too(self) -> None:
        """As far as the pinned versions are those that are installed here, as in CI."""
        extras = {canonicalize_name(each.name): each.extras or {""} for each in requirements()}
        for name, version in pins().items():
            try:
                installed = distribution(name)
            except PackageNotFoundError:
                continue
            for text in installed.requires or [] if installed.version == version else []:
                needed = Requirement(text)
                wanted = extras.get(name, {""}) | {""}
                if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in wanted):
                    self.check(needed, f"{name} {version}")


class PrivatePartsTests(SynchronousTestCase):
    """Names that `transports.py` and `web/` use, and that Twisted may rename without a word."""

    def test_twisted_has_a_ceiling(self) -> None:
        for needed in requirements():
            if needed.name == "twisted":
                operators = sorted(each.operator for each in needed.specifier)
                self.assertEqual(operators, ["<", ">="], needed)

    def test_setup_cfg_names_them(self) -> None:
        text = (HERE / "setup.cfg").read_text()
        private = [name for name in (*TRANSPORT, *CHANNEL, *DECODER) if name.startswith("_")]
        for name in (*private, "_logger", "wrappedProtocol", "_proxyInfo", "_tlsShutdownFinished"):
            self.assertIn(name, text)

    def test_transports(self) -> None:
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        connection = tcp.Connection(ours, Protocol(), MemoryReactorClock())
        self.addCleanup(ours.close)
        for name in TRANSPORT:
            self.assertTrue(hasattr(connection, name), name)

    def test_ports(self) -> None:
        self.assertTrue(hasattr(tcp.Port(0, Factory(), reactor=MemoryReactorClock()), "_logger"))

    def test_http_channels(self) -> None:
        channel = HTTPChannel()
        channel.timeOut = None
        channel.makeConnection(StringTransport())
        channel.lineReceived(b"GET / HTTP/1.1")
        for name in CHANNEL:
            self.assertTrue(hasattr(channel, name), name)
        channel.headerReceived(b"Transfer-Encoding: chunked")
        for name in DECODER:
            self.assertTrue(hasattr(channel._transferDecoder, name), name)

    def test_wrappers(self) -> None:
        wrapper = ProtocolWrapper(Factory(), Protocol())  # type: ignore[arg-type]
        self.assertTrue(hasattr(wrapper, "wrappedProtocol"))
        self.assertEqual(proxyEndpoint.__module__, "twisted.protocols.haproxy._wrapper")
        proxied = HAProxyProtocolWrapper(WrappingFactory(Factory()), Protocol())
        self.assertTrue(hasattr(proxied, "_proxyInfo"))
        self.assertTrue(hasattr(TLSMemoryBIOFactory.protocol, "_tlsShutdownFinished"))
        self.assertEqual(TLSMemoryBIOFactory.__module__, "twisted.protocols.tls")
