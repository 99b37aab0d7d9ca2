"""What the wire answers to what a peer does wrong."""

from twisted.trial.unittest import SynchronousTestCase

from twisted_msg.wire import ErrorCode, ProtocolError, encode_header
from twisted_msg.wire.errors import ENDING, MAX_QUOTED_WORD

# protocol.md, section 6, word for word.
CODES = [
    "bad-header", "bad-verb", "bad-args", "bad-room", "bad-name", "bad-json", "too-large",
    "unauthorized", "forbidden", "absent", "unknown", "superseded", "limit", "busy", "timeout",
    "version", "internal",
]  # fmt: skip
ENDING_CODES = {
    "bad-header", "too-large", "unauthorized", "superseded", "version", "timeout", "internal",
}  # fmt: skip


class CodeTests(SynchronousTestCase):
    """The codes are the specification's."""

    def test_all_there_and_no_more(self) -> None:
        self.assertEqual([str(code) for code in ErrorCode], CODES)

    def test_the_ending_ones(self) -> None:
        self.assertEqual({str(code) for code in ENDING}, ENDING_CODES)
        for code in ErrorCode:
            ends = ProtocolError(code, "why").ends_typed
            self.assertIs(ends, str(code) in ENDING_CODES, code)


class AnswerTests(SynchronousTestCase):
    """An error carries its own answer, for plain and for typed peers."""

    def test_plain(self) -> None:
        error = ProtocolError(ErrorCode.TOO_LARGE, "cut it", verb="PUB", subject="7")
        self.assertEqual(error.plain_payload(), b"!ERROR! too-large cut it")
        self.assertEqual(error.answer(typed=False), ((), b"!ERROR! too-large cut it"))

    def test_typed(self) -> None:
        for verb, subject, words in (
            (None, None, ()),
            ("PUB", None, ("PUB",)),
            ("PUB", "7", ("PUB", "7")),
            (None, "7", ()),  # a subject without its verb would be read as one
        ):
            error = ProtocolError(ErrorCode.BAD_ARGS, "why not", verb=verb, subject=subject)
            self.assertEqual(error.answer(typed=True), (("ERR", "bad-args", *words), b"why not"))

    def test_long_words_are_left_out(self) -> None:
        fits, long = "V" * MAX_QUOTED_WORD, "V" * (MAX_QUOTED_WORD + 1)
        for verb, subject, words in (
            (fits, None, (fits,)),
            (fits, fits, (fits, fits)),
            (fits, long, (fits,)),
            (long, None, ()),
            (long, "7", ()),
        ):
            error = ProtocolError(ErrorCode.BAD_VERB, "why", verb=verb, subject=subject)
            self.assertEqual(error.answer(typed=True)[0], ("ERR", "bad-verb", *words))

    def test_every_answer_fits_a_header(self) -> None:
        word = "W" * MAX_QUOTED_WORD
        for code in ErrorCode:
            words, _ = ProtocolError(code, "why", verb=word, subject=word).answer(typed=True)
            self.assertEqual(len(words), 4)
            encode_header(10**10 - 1, words)

    def test_words_are_plain_text(self) -> None:
        words, _ = ProtocolError(ErrorCode.LIMIT, "why", verb="SUB").answer(typed=True)
        self.assertEqual([type(word) for word in words], [str, str, str])

    def test_reasons_are_utf_8(self) -> None:
        error = ProtocolError(ErrorCode.BUSY, "später")
        self.assertEqual(error.answer(typed=True)[1], "später".encode())
        self.assertEqual(error.plain_payload(), "!ERROR! busy später".encode())


class ExceptionTests(SynchronousTestCase):
    """It is an exception that says what happened."""

    def test_text_and_fields(self) -> None:
        error = ProtocolError(ErrorCode.ABSENT, "nobody there", verb="PUB", subject="9")
        self.assertEqual(str(error), "absent: nobody there")
        self.assertEqual(
            (error.code, error.reason, error.verb, error.subject),
            (ErrorCode.ABSENT, "nobody there", "PUB", "9"),
        )

    def test_mistakes_of_ones_own_are_something_else(self) -> None:
        self.assertFalse(issubclass(ProtocolError, ValueError))
