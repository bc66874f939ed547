import subprocess
import sys
from base64 import b64decode, b64encode
from uuid import UUID

import pytest

from app.security.keyring import MasterKeys, UnsealError, make_master_key

OLD = "old:" + b64encode(bytes(range(32))).decode()
NEW = "new:" + b64encode(bytes(range(32, 64))).decode()
PLACE = {"tenant": UUID(int=1), "table": "endpoint", "column": "secret", "row": UUID(int=2)}


def test_a_sealed_value_opens_in_its_place() -> None:
    keys = MasterKeys.read(OLD)
    for plain in (b"", b"whsec_abc", bytes(5000)):
        assert keys.open(keys.seal(plain, **PLACE), **PLACE) == plain


def test_equal_values_never_look_equal() -> None:
    keys = MasterKeys.read(OLD)
    assert keys.seal(b"x", **PLACE) != keys.seal(b"x", **PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"tenant": UUID(int=9)},
        {"tenant": None},
        {"table": "destination"},
        {"column": "old_secret"},
        {"row": UUID(int=9)},
        {"table": "endpointsecret", "column": ""},
    ],
)
def test_a_sealed_value_moved_to_another_place_does_not_open(elsewhere: dict[str, UUID | str | None]) -> None:
    keys = MasterKeys.read(OLD)
    blob = keys.seal(b"secret", **PLACE)
    with pytest.raises(UnsealError):
        keys.open(blob, **{**PLACE, **elsewhere})


def test_the_separator_cannot_be_smuggled_into_a_place() -> None:
    keys = MasterKeys.read(OLD)
    with pytest.raises(ValueError, match="separator"):
        keys.seal(b"x", tenant=None, table="a|b", column="c", row="d")


def test_every_bit_of_a_sealed_value_matters() -> None:
    keys = MasterKeys.read(f"{OLD},{NEW}")
    blob = keys.seal(b"secret", **PLACE)
    for position in range(len(blob)):
        for bit in range(8):
            flipped = bytes([*blob[:position], blob[position] ^ 1 << bit, *blob[position + 1 :]])
            with pytest.raises(UnsealError):
                keys.open(flipped, **PLACE)
    for length in range(len(blob)):
        with pytest.raises(UnsealError):
            keys.open(blob[:length], **PLACE)


def test_rotation_opens_old_values_and_seals_under_the_new_key() -> None:
    before = MasterKeys.read(OLD).seal(b"secret", **PLACE)
    both = MasterKeys.read(f"{NEW},{OLD}")
    assert both.open(before, **PLACE) == b"secret"
    after = both.seal(b"secret", **PLACE)
    assert MasterKeys.read(NEW).open(after, **PLACE) == b"secret"
    with pytest.raises(UnsealError):
        MasterKeys.read(OLD).open(after, **PLACE)
    with pytest.raises(UnsealError):
        MasterKeys.read(NEW).open(before, **PLACE)


def test_another_key_under_the_same_id_opens_nothing() -> None:
    blob = MasterKeys.read(OLD).seal(b"secret", **PLACE)
    with pytest.raises(UnsealError):
        MasterKeys.read(NEW.replace("new", "old")).open(blob, **PLACE)


def test_two_machines_derive_the_same_passwords_and_keys() -> None:
    program = (
        "import sys; from app.security.keyring import MasterKeys\n"
        "keys = MasterKeys.read(sys.stdin.read())\n"
        "print(keys.derive_password('baton_partner'), keys.derive(b'cursor').hex())"
    )
    other = subprocess.run([sys.executable, "-c", program], input=OLD, text=True, capture_output=True, check=True)
    keys = MasterKeys.read(OLD)
    assert other.stdout.split() == [keys.derive_password("baton_partner"), keys.derive(b"cursor").hex()]


def test_derived_values_never_change_from_release_to_release() -> None:
    # HKDF-SHA256 (RFC 5869) worked out by hand with HMAC alone; a change would lock every login out.
    keys = MasterKeys.read(OLD)
    assert keys.derive_password("baton_partner") == "NbtLRS0E--FPzsXllnRg_S6ZlMZoE0RA3aBptvBhyr8"
    assert keys.derive(b"cursor").hex() == "dfcbb7e5a1d28962b71b2df7d9606a870ba889a38b55d6ad98de422a13a0e565"


def test_each_login_and_purpose_has_its_own_secret() -> None:
    keys, others = MasterKeys.read(OLD), MasterKeys.read(NEW)
    logins = ["baton_partner", "baton_internal", "baton_auth", "baton_worker"]
    passwords = {ring.derive_password(login) for ring in (keys, others) for login in logins}
    assert len(passwords) == 8
    assert {len(password) for password in passwords} == {43}
    purposes = [b"", b"cursor", b"1/baton_partner", b"baton_partner"]
    derived = {ring.derive(purpose) for ring in (keys, others) for purpose in purposes}
    assert len(derived) == 8
    assert not derived & {b64decode(password + "=", altchars=b"-_") for password in passwords}


def test_a_made_key_can_be_read_and_is_new_each_time() -> None:
    made = {make_master_key() for _ in range(20)}
    assert len(made) == 20
    keys = MasterKeys.read(",".join(made) + "\n")
    assert keys.open(keys.seal(b"x", **PLACE), **PLACE) == b"x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "master key 1: expected kid:base64"),
        ("   ", "master key 1: expected kid:base64"),
        ("SECRETSECRET", "master key 1: expected kid:base64"),
        (f"{OLD},", "master key 2: expected kid:base64"),
        ("k:SECRET!", "master key 1: not base64"),
        ("k:SECRETSECRETé", "master key 1: not base64"),
        ("k:", "master key 1: must be 32 bytes, has 0"),
        ("k:SECRETSECRET", "master key 1: must be 32 bytes, has 9"),
        (f"{OLD},{NEW}AAAA", "master key 2: not base64"),
        (f"{OLD},{OLD}", "master key 2: its key id was used before"),
        (OLD.replace("old", ""), "master key 1: the key id"),
        (OLD.replace("old", "o d"), "master key 1: the key id"),
        (OLD.replace("old", "k" * 33), "master key 1: the key id"),
    ],
)
def test_a_malformed_master_key_is_refused_without_being_shown(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        MasterKeys.read(text)
    assert "SECRET" not in str(refusal.value)
    assert OLD[4:] not in str(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_a_key_ring_shows_its_key_ids_only() -> None:
    assert repr(MasterKeys.read(f"{NEW},{OLD}")) == "MasterKeys(new, old)"
