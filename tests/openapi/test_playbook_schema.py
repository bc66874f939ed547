"""The published schema of the playbook language and the reader agree: editors complete what Baton takes."""

import json
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from app.domain.journey import ENGINE_COMMANDS, MOVES
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook
from tests.domain.playbooks import ROOT, document

SCHEMA = json.loads((ROOT / "openapi" / "playbook.schema.json").read_text("utf-8"))


def test_the_default_playbook_is_valid():
    Draft202012Validator.check_schema(SCHEMA)
    assert list(Draft202012Validator(SCHEMA).iter_errors(document())) == []


def test_the_schema_knows_every_command_of_the_machine():
    assert set(SCHEMA["$defs"]["may"]["properties"]) == set(MOVES) - ENGINE_COMMANDS


def _objects(value: Any, path: tuple[str | int, ...] = ()):
    if isinstance(value, dict):
        yield path, value
        for key, held in value.items():
            yield from _objects(held, (*path, key))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            yield from _objects(held, (*path, index))


FREE = {"roles", "choices", "clocks", "ladders", "activities"}


PLACES = [
    path for path, _ in _objects(document()) if path[:1] != ("choices",) and not (len(path) == 1 and path[0] in FREE)
]


@pytest.mark.parametrize("path", PLACES, ids=str)
def test_an_unknown_field_is_refused_by_both(path: tuple[str | int, ...]):
    changed = document()
    place: Any = changed
    for part in path:
        place = place[part]
    place["surprise"] = ["owner"]
    assert list(Draft202012Validator(SCHEMA).iter_errors(changed))
    with pytest.raises(PlaybookFaultsError):
        read_playbook(changed, UUID(int=1), 1)
