import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidCursorError
from app.security.cursors import MAX_LENGTH, CursorSealer

SEALER = CursorSealer(bytes(range(32)))
PAYLOAD = {"n": 2**62, "at": "2026-11-21T10:11:12.123456Z", "after": None, "down": True, "名": "株式会社"}
MINE = b"cli_a|state=open"


def refused(text: str, bound_to: bytes = MINE, sealer: CursorSealer = SEALER) -> bool:
    with pytest.raises(InvalidCursorError) as refusal:
        sealer.open(text, bound_to=bound_to)
    assert refusal.value.__cause__ is None
    return refusal.value.detail == "The cursor is not valid for this list."


def test_a_cursor_opens_for_the_caller_and_filter_it_was_made_for() -> None:
    text = SEALER.seal(PAYLOAD, bound_to=MINE)
    assert CursorSealer(bytes(range(32))).open(text, bound_to=MINE) == PAYLOAD
    assert set(text) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("other", [b"cli_b|state=open", b"cli_a|state=lost", b"", MINE + b"\0", MINE[:-1]])
def test_a_cursor_of_another_caller_or_filter_is_refused(other: bytes) -> None:
    assert refused(SEALER.seal(PAYLOAD, bound_to=MINE), bound_to=other)


def test_a_cursor_of_another_key_is_refused() -> None:
    assert refused(SEALER.seal(PAYLOAD, bound_to=MINE), sealer=CursorSealer(bytes(32)))


def test_every_bit_and_every_length_of_a_cursor_matters() -> None:
    text = SEALER.seal({"n": 7}, bound_to=MINE)
    for position, character in enumerate(text):
        for bit in range(8):
            assert refused(text[:position] + chr(ord(character) ^ 1 << bit) + text[position + 1 :])
    for length in range(len(text)):
        assert refused(text[:length])


def test_a_cursor_has_one_text_only() -> None:
    # Lengths of all remainders, so that spare bits of the last character are tried as well.
    for size in range(3):
        text = SEALER.seal({"n": "x" * size}, bound_to=MINE)
        for last in string.ascii_letters + string.digits + "-_":
            assert last == text[-1] or refused(text[:-1] + last)
        for ending in ("=", "==", "A", "\n", " ", "!", "é", "\ud800"):
            assert refused(text + ending)
            assert refused(ending + text)


@given(st.text(max_size=200))
def test_arbitrary_text_is_refused(text: str) -> None:
    assert refused(text)


def test_an_over_long_cursor_is_neither_made_nor_read() -> None:
    assert refused("A" * (MAX_LENGTH + 1))
    with pytest.raises(ValueError, match="too much"):
        SEALER.seal({"n": "x" * 800}, bound_to=MINE)


def test_the_same_place_in_the_same_list_has_the_same_short_cursor() -> None:
    text = SEALER.seal({"n": 123_456_789}, bound_to=MINE)
    assert text == SEALER.seal({"n": 123_456_789}, bound_to=MINE)
    assert len(text) == 42
    assert "123456789" not in text


def test_a_cursor_key_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CursorSealer(bytes(31))
