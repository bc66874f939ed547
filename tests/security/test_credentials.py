import re
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.security.credentials import (
    digest_of,
    invitation_id_of,
    make_client_secret,
    make_invitation_code,
    matches,
    secret_id_of,
)

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_secret_is_found_by_scanners_and_carries_its_id() -> None:
    made, digest = make_client_secret(UUID(int=0))
    assert re.fullmatch(r"bt_cs_a{26}_[0-9A-Za-z]{49}", made)
    assert secret_id_of(made) == UUID(int=0)
    assert digest == sha256(made.encode()).digest()
    named = uuid4()
    assert secret_id_of(make_client_secret(named).text) == named


def test_a_code_is_no_secret_and_a_secret_no_code() -> None:
    named = uuid4()
    code, secret = make_invitation_code(named).text, make_client_secret(named).text
    assert re.fullmatch(r"bt_in_[a-z2-7]{26}_[0-9A-Za-z]{49}", code)
    assert (invitation_id_of(code), secret_id_of(code)) == (named, None)
    assert (invitation_id_of(secret), secret_id_of(secret)) == (None, named)
    # The checksum covers the kind: no letter turns one into the other.
    assert invitation_id_of(secret.replace("bt_cs_", "bt_in_", 1)) is None


def test_no_secret_is_made_twice_and_none_shows_itself() -> None:
    secret_id = uuid4()
    made = [make_client_secret(secret_id) for _ in range(200)]
    assert len({secret.text for secret in made}) == 200
    assert made[0].text not in repr(made)


def test_the_checksum_is_that_of_crc32_in_base_62() -> None:
    # Digits in the order of ASCII. Issued secrets carry it, so it can never change.
    body = "bt_cs_" + "a" * 26 + "_" + "0" * 43
    assert secret_id_of(body + "0sp6lB") == UUID(int=0)


@given(position=st.integers(0, 81), typo=st.sampled_from(ALPHANUMERIC))
def test_a_typo_is_detected_without_the_database(position: int, typo: str) -> None:
    text = make_client_secret(UUID(int=7)).text
    assert len(text) == 82
    changed = text[:position] + typo + text[position + 1 :]
    assert (secret_id_of(changed) is None) == (changed != text)


@given(st.integers(33, 74))
def test_swapped_neighbours_are_detected(position: int) -> None:
    text = make_client_secret(UUID(int=7)).text
    swapped = text[:position] + text[position + 1] + text[position] + text[position + 2 :]
    assert (secret_id_of(swapped) is None) == (swapped != text)


@pytest.mark.parametrize(
    "text", ["", "bt_cs_", "hunter2", "bt_cs_" + "a" * 26 + "_" + "é" * 49, "\ud800", "x" * 10_000]
)
def test_what_is_no_secret_has_no_id_and_matches_nothing(text: str) -> None:
    assert secret_id_of(text) is None
    assert not matches(text, [])
    assert not matches(text, [make_client_secret(UUID(int=7)).digest])


def test_a_right_checksum_does_not_make_up_for_a_wrong_shape() -> None:
    assert secret_id_of("bt_cs_" + "A" * 26 + "_" + "0" * 43 + "15BMxm") is None


def test_a_line_break_is_not_part_of_a_secret() -> None:
    assert secret_id_of(make_client_secret(UUID(int=7)).text + "\n") is None


def test_any_live_secret_matches_and_no_other() -> None:
    first, second, other = (make_client_secret(UUID(int=n)) for n in range(3))
    assert matches(first.text, [first.digest])
    assert matches(first.text, [first.digest, second.digest])
    assert matches(second.text, [first.digest, second.digest])
    assert matches(second.text, [first.digest, other.digest, second.digest])
    assert not matches(other.text, [first.digest, second.digest])
    assert not matches(first.text, [])
    assert digest_of(first.text) != digest_of(second.text)


@pytest.mark.parametrize("known", [0, 1, 2])
def test_an_unknown_client_costs_the_comparisons_of_a_known_one(known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def counting(_: bytes, digest: bytes) -> bool:
        compared.append(digest)
        return False

    monkeypatch.setattr("app.security.credentials.compare_digest", counting)
    matches("x", [make_client_secret(UUID(int=n)).digest for n in range(known)])
    assert [len(digest) for digest in compared] == [32, 32]
