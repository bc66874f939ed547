"""README says what is: every setting with its default, every target, every path, and code that can be read."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from app.openapi import document_text
from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def shown(default: object) -> str:
    """Return a default as README spells it."""
    if default is None:
        return "none"
    if default == ():
        return "empty"
    return f"`{int(default) if isinstance(default, bool) else default}`"


def test_every_setting_stands_in_the_table_with_its_default_and_no_other_does():
    rows = dict(re.findall(r"^\| `(BATON_[A-Z_]+)` \| ([^|]+?) \|", README, re.MULTILINE))
    assert rows == {f"{PREFIX}{name.upper()}": shown(field.default) for name, field in Settings.model_fields.items()}


def test_no_page_names_a_setting_that_does_not_exist():
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for page in (*PAGES, ROOT / "compose.yaml", ROOT / "Dockerfile"):
        assert set(re.findall(r"\bBATON_[A-Z_]+\b", page.read_text("utf-8"))) <= known, page


def test_every_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`?\bmake ([a-z]+)`", page.read_text("utf-8"))) <= targets, page
    assert set(re.findall(r"^(?:[A-Z_]+=\S+ )*make ([a-z]+)", "\n".join(blocks("sh")), re.MULTILINE)) <= targets


def test_every_path_that_the_readme_names_is_in_the_document():
    paths = {re.sub(r"\{[^}]+\}", "{}", path) for path in json.loads(document_text())["paths"]}
    named = {f"/v1{path}" for path in re.findall(r'^ *call [a-z_]+ "?(/[^\s"?]+)', README, re.MULTILINE)}
    named |= {f"/v1{path}" for path in re.findall(r'\$\(call [a-z_]+ "?(/[^\s"?]+)', README)}
    named |= set(re.findall(r"`(?:GET |POST |PUT )?(/v1/[^\s`?]+)`", README))
    assert len(named) > 15
    for path in named:
        plain = re.sub(r"\{[^}]+\}|\$\([^)]*\)|\$[A-Z]+|external:[A-Za-z0-9-]+", "{}", path)
        assert plain.split("$(")[0].rstrip("/") in paths or plain in paths or _reaches(plain, paths), path


def _reaches(path: str, paths: set[str]) -> bool:
    """Return whether a path reaches a template whose variable it fills with a literal."""
    return any(re.fullmatch(re.sub(r"\\\{\\\}", "[^/]+", re.escape(known)), path) for known in paths)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_of_every_page_can_be_read(page: Path):
    text = page.read_text("utf-8")
    for code in blocks("python", text):
        ast.parse(code)
    for document in blocks("json", text):
        json.loads(document)
    for document in blocks("yaml", text):
        yaml.safe_load(document)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path):
    text = page.read_text("utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_every_test_that_a_decision_cites_exists():
    for page in sorted((ROOT / "docs" / "adr").glob("*.md")):
        text = page.read_text("utf-8")
        assert len(text.splitlines()) < 60, page
        for section in ("## Context", "## Decision", "## Consequences", "## Held by"):
            assert section in text, page
        for path in re.findall(r"`((?:tests|app|alembic|docs)/[\w./-]+\.\w+)", text):
            assert (ROOT / path).exists(), f"{page.name}: {path}"
        sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
        for name in re.findall(r"\b(test_[a-z0-9_]{12,})\b(?!\.py)", text):
            assert f"def {name}(" in sources, f"{page.name}: {name}"


def test_the_reference_of_the_playbook_language_names_every_field_and_every_rule():
    page = (ROOT / "docs" / "playbook.md").read_text("utf-8")
    reader = (ROOT / "app" / "domain" / "playbook_reader.py").read_text("utf-8")
    lint = (ROOT / "app" / "domain" / "lint.py").read_text("utf-8")
    fields = {
        field for called in re.findall(r"\.fields\(([^)*]+)\)", reader) for field in re.findall(r'"(\w+)"', called)
    }
    fields |= {
        field
        for table in re.findall(r"^_\w*FIELDS = \((.*?)\)", reader, re.MULTILINE | re.DOTALL)
        for field in re.findall(r'"(\w+)"', table)
    }
    assert len(fields) > 40
    assert {field for field in fields if not re.search(rf"\b{field}\b", page)} == set()
    rules = set(re.findall(r'"((?:stage|ladder|handover|outcome|form|field|journey|space)\.[a-z_]+)"', lint))
    assert len(rules) >= 15
    assert {rule for rule in rules if f"`{rule}`" not in page} == set()
