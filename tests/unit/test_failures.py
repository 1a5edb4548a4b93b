"""What is recorded of an exception: its class and its text, without secrets, cut; and at no great cost."""

import re
import zlib

import pytest

from amends.saga import failures
from amends.saga.failures import MESSAGE_LIMIT, describe, redact

KEPT = [
    "the token is missing",
    "no such user: ada@example.com",
    "https://example.com/path?page=2",
    "postgresql://localhost/app does not answer",
    "run signup:ada@example.com failed",
    "step 3.1.2 (create-user-in-db) failed after 3 attempts",
    "5b1f4c0e-6a0f-5e0b-9d0c-2f6a3c1d7e42",
]

REDACTED = [
    ("postgresql://u:p@h/db", "postgresql://u:***@h/db"),
    ("postgresql://u:pa@ss@h/db", "postgresql://u:***@h/db"),
    ("password=abc, user=ada", None),
    ('{"password": "a \\"quoted\\" one", "user": "ada"}', None),
    ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
    ("Bearer abcdefgh12345 was refused", "Bearer *** was refused"),
    ("password='correct horse battery'", "password='***'"),
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_secret_is_kept(text: str) -> None:
    """An error that says nothing any more helps nobody."""
    assert redact(text) == text


@pytest.mark.parametrize(("text", "expected"), REDACTED)
def test_what_looks_like_a_secret_is_replaced(text: str, expected: str | None) -> None:
    """By stars, and what is around it is kept."""
    if expected is not None:
        assert redact(text) == expected
    assert "***" in redact(text)
    assert not re.search(r"abc\b|quoted|battery", redact(text))


WORST = ["x", "x ", "a-", "://", "a:", "password", "password=", 'password="', "token ", "a://b:", "token\\", "bearer\n"]


@pytest.mark.parametrize("unit", WORST)
@pytest.mark.timeout(10)
def test_a_long_text_is_redacted_in_linear_time(unit: str) -> None:
    """Forty thousand characters of the worst kind; a quadratic pattern takes minutes, in which no run goes on."""
    text = (unit * 40_000)[:40_000]
    assert len(describe(ValueError(text)).message) <= MESSAGE_LIMIT + 50


@pytest.mark.parametrize("spaces", [" ", "\\", "\n", "-"])
@pytest.mark.timeout(10)
def test_a_long_gap_is_redacted_in_linear_time(spaces: str) -> None:
    """Between a name and a value that never comes."""
    describe(ValueError(f"password{spaces * 39_000}"))


def test_a_long_text_is_cut_and_says_so() -> None:
    """How long it was is told."""
    message = describe(ValueError("x " * 5_000)).message
    assert message.startswith("x x ")
    assert message.endswith("... (10,000 characters)")


def test_a_secret_is_redacted_before_the_text_is_cut() -> None:
    """Otherwise the first half of it would stand at the end."""
    text = "x " * (MESSAGE_LIMIT // 2 - 8) + "password=hunter2hunter2hunter2"
    assert "hunter2" not in describe(ValueError(text)).message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("x"), "ValueError"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (zlib.error("x"), "zlib.error"),
        (type("Ödd", (Exception,), {"__module__": "shop"})("x"), "shop.Ödd"),
        (type("Long" * 100, (Exception,), {})("x"), None),
    ],
)
def test_the_class_is_named(error: BaseException, kind: str | None) -> None:
    """With its module, but for the built-in ones; always of a bounded length."""
    found = describe(error).type
    assert len(found) <= 200
    assert kind is None or found == kind


@pytest.mark.parametrize(
    "broken", [SystemExit(1), KeyboardInterrupt(), RecursionError(), ValueError(), GeneratorExit()]
)
def test_an_error_without_a_text_is_described(broken: BaseException) -> None:
    """Whatever its `__str__` raises; that is told instead."""

    class Mute(Exception):
        def __str__(self) -> str:
            raise broken

    assert describe(Mute()).message == f"(its text cannot be had: __str__ raised {type(broken).__name__})"


def test_every_pattern_is_tried() -> None:
    """Each of them finds something in the examples above, so none is dead."""
    texts = [text for text, _ in REDACTED]
    assert all(any(pattern.search(text) for text in texts) for pattern in failures._SECRETS)
