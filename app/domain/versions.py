"""What a reader is shown of an object that may change, and the refusal of a change to another version of it."""

from dataclasses import dataclass
from typing import Any

from app.domain.errors import StaleVersionError


@dataclass(frozen=True, slots=True)
class Shown:
    """An object as its reader sees it, with the version that If-Match names."""

    body: dict[str, Any]
    version: int


def refuse_stale(version: int, tag: str) -> None:
    """Raise StaleVersionError unless the opaque tag of If-Match names this version."""
    if tag != str(version):
        raise StaleVersionError("Another version is current; read it again.")
