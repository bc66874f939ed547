"""Public ids show a UUID's 128 bits and are read back from exactly that form."""

from base64 import b32encode
from uuid import UUID, uuid4

import pytest

from app.domain.ids import Prefix, read, show


@pytest.mark.parametrize("value", [UUID(int=0), UUID(int=2**128 - 1), UUID(int=1), *(uuid4() for _ in range(200))])
def test_an_id_is_rfc_4648_base32_of_its_bytes_and_is_read_back(value: UUID):
    shown = show(Prefix.LEAD, value)
    assert shown == f"lead_{b32encode(value.bytes).decode().lower().rstrip('=')}"
    assert read(Prefix.LEAD, shown) == value


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: text[:-1], lambda text: text + "a", lambda text: text[:-1] + "1",
               lambda text: text.replace("lead", "note"), lambda text: text[:-1] + "b"],
)  # fmt: skip
def test_any_other_spelling_is_no_id(change):
    assert read(Prefix.LEAD, change(show(Prefix.LEAD, UUID(int=0)))) is None
