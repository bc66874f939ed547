"""Reads a playbook from a YAML or JSON file, for `baton playbook lint` and for seeding.

A file may be written by anybody: it is measured before anything is built from it, so that neither its depth nor its
aliases can cost more than its length.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast
from uuid import UUID

import yaml

from app.domain.lint import lint as prove
from app.domain.playbook_names import Fault
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook

MAX_BYTES: Final = 1024 * 1024
"""As large as the body of a proposal may be."""
MAX_DEPTH: Final = 32
"""As deep as the body of a proposal may be."""
MAX_VALUES: Final = 20_000
"""Values that a file may stand for once every alias is written out; the default playbook has about 1,000."""

_NOBODY = UUID(int=0)
# libyaml reads ten times faster; it is in every wheel of PyYAML, but not in every build of it.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(path: Path) -> Mapping[str, object]:
    """Return the document of a file. Raises ValueError when it is no YAML, no object, or stands for too much."""
    with path.open("rb") as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"the file has more than {MAX_BYTES} bytes")
    document = _document(text)
    if not isinstance(document, dict):
        raise ValueError("the file holds no object")  # noqa: TRY004  # one error for whatever is wrong with the file
    return cast("Mapping[str, object]", document)


class _Meter:
    """Counts what a text stands for, event by event; an alias counts as much as what it repeats."""

    def __init__(self) -> None:
        self._repeatable: dict[str, int] = {}
        self._open: list[tuple[str | None, int]] = []
        self._total = 0

    def take(self, event: object) -> None:
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self._total))
            self._total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, began = self._open.pop()
            self._keep(anchor, self._total - began)
        elif isinstance(event, yaml.ScalarEvent):
            self._total += 1
            self._keep(event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._repeatable:
                raise ValueError("an alias stands for something that is not complete before it")
            self._total += self._repeatable[event.anchor]
        if len(self._open) > MAX_DEPTH:
            raise ValueError(f"the file is nested deeper than {MAX_DEPTH} levels")
        if self._total > MAX_VALUES:
            raise ValueError(f"the file stands for more than {MAX_VALUES} values")

    def _keep(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._repeatable[anchor] = size


def _document(text: bytes) -> object:
    meter = _Meter()
    try:
        events = cast("Iterator[object]", yaml.parse(text, _Loader))  # pyright: ignore[reportUnknownMemberType]  # untyped
        for event in events:
            meter.take(event)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError("the file is no YAML") from error
    try:
        return yaml.load(text, _Loader)  # noqa: S506  # both loaders are safe ones
    except (yaml.YAMLError, ValueError) as error:  # a value that looks like a date, and is none
        raise ValueError("the file is no YAML") from error


def lint(path: Path) -> tuple[Fault, ...]:
    """Return every fault of the playbook in a file; none means that it may be proposed."""
    try:
        return prove(read_playbook(read(path), _NOBODY, 1))
    except PlaybookFaultsError as error:
        return error.faults
    except (OSError, ValueError) as error:
        return (Fault("/", "document", str(error), "ファイルを読み込めません。"),)
