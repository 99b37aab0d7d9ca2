"""Messages as lines for programs."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.rows import json_row, message_row, missed_row


class RowTests(SynchronousTestCase):
    def test_messages(self) -> None:
        self.assertEqual(
            message_row("é\x7f\u202e".encode(), "lobby", 3, "al", 5),
            b'{"room":"lobby","seq":3,"from":"al","time":5,"text":"\\u00e9\\u007f\\u202e"}\n',
        )
        self.assertEqual(
            message_row(b"\xff\x00", "lobby", None, None, 5),
            b'{"room":"lobby","seq":null,"from":null,"time":5,"base64":"/wA="}\n',
        )

    def test_missed(self) -> None:
        self.assertEqual(
            missed_row("lobby", 1, 9), b'{"room":"lobby","missed":{"first":1,"last":9}}\n'
        )

    def test_anything(self) -> None:
        self.assertEqual(json_row(["a", 1]), b'["a",1]\n')
