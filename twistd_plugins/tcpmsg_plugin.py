"""Makes `twistd tcpmsg` and `twist tcpmsg` known; everything else is in `twisted_msg.tap`."""

from twisted.application.service import ServiceMaker

tcpmsg = ServiceMaker(
    "tcpmsg",
    "twisted_msg.tap",
    "A TCP messaging server: a fixed-size header holds the length, then the message.",
    "tcpmsg",
)
