"""A playbook file is measured before anything is built from it: what it stands for costs no more than what it says."""

from pathlib import Path

import pytest

from app.playbook_file import lint, read
from tests.domain.playbooks import ROOT


def bomb(levels: int) -> str:
    lines = [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(["a0: &a0 [x]", *lines])


def merging(levels: int) -> str:
    lines = [f"a{n}: &a{n}\n  <<: [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(["a0: &a0 {x: 1}", *lines])


HOSTILE = {
    "an alias bomb": (bomb(30), "stands for more than 20000 values"),
    "a bomb of merge keys": (merging(30), "stands for more than 20000 values"),
    "an alias of itself": ("a: &a [*a]", "not complete"),
    "an alias of nothing": ("a: *b", "not complete"),
    "deep lists": ("[" * 500_000, "nested deeper than 32 levels"),
    "deep objects": ("{a: " * 200_000, "nested deeper than 32 levels"),
    "deep blocks": ("- " * 300_000, "nested deeper than 32 levels"),
    "many values": ("[" + "1," * 500_000 + "]", "stands for more than 20000 values"),
    "many bytes": ("x" * 1_048_577, "more than 1048576 bytes"),
    "no YAML": ('a: "', "no YAML"),
    "a NUL": ("a: \0", "no YAML"),
    "two documents": ("a: 1\n---\na: 2", "no YAML"),
    "a call": ("a: !!python/object/apply:os.system [id]", "no YAML"),
    "a day that is none": ("a: 2026-99-99", "no YAML"),
    "a long number": ("a: " + "9" * 100_000, "no YAML"),
    "a list": ("- 1", "no object"),
    "nothing": ("", "no object"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_clearly_and_soon(name: str, tmp_path: Path):
    text, message = HOSTILE[name]
    path = tmp_path / "playbook.yaml"
    path.write_text(text, "utf-8")
    (fault,) = lint(path)
    assert message in fault.en
    assert fault.rule == "document"


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path):
    (fault,) = lint(tmp_path / "none.yaml")
    assert fault.rule == "document"


def test_anchors_and_merge_keys_of_an_honest_file_are_taken():
    held = read(ROOT / "examples" / "playbook.yaml")
    choices = held["choices"]
    assert isinstance(choices, dict)
    assert choices["pending"] == choices["lost"]
    assert "well_prepared" in choices["feedback"]
    assert "existing_customer" in choices["feedback"]
