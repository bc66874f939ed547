"""Reads a playbook from a YAML or JSON file, for `baton playbook lint` and for seeding."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast
from uuid import UUID

import yaml

from app.domain.lint import lint as prove
from app.domain.playbook_names import Fault
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook

_NOBODY = UUID(int=0)


def read(path: Path) -> Mapping[str, object]:
    """Return the document of a file. Raises ValueError when it is no YAML or no object."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise ValueError("the file is no YAML") from error
    if not isinstance(document, dict):
        raise ValueError("the file holds no object")  # noqa: TRY004  # one error for whatever is wrong with the file
    return cast("Mapping[str, object]", document)


def lint(path: Path) -> tuple[Fault, ...]:
    """Return every fault of the playbook in a file; none means that it may be proposed."""
    try:
        return prove(read_playbook(read(path), _NOBODY, 1))
    except PlaybookFaultsError as error:
        return error.faults
    except (OSError, ValueError) as error:
        return (Fault("/", "document", str(error), "ファイルを読み込めません。"),)
