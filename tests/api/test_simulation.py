"""Trying a playbook and checking ownership over real HTTP: who may, what comes line by line, what is refused."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from app.security.keyring import MasterKeys
from app.seed import EXAMPLES
from tests.world import LOST, World, a_world, random_id

SIMULATE = "/v1/playbooks/simulate"


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        await held.taken_over("A-1")
        taken = await held.taken_over("A-2")
        await held.post("sales", f"/v1/leads/{taken['lead_id']}/outcome", LOST)
        await held.taken_over("B-1", "partner_b")
        yield held


def stricter() -> dict[str, Any]:
    """Nobody but a manager may close a lead as lost."""
    document = yaml.safe_load((EXAMPLES / "playbook.yaml").read_text("utf-8"))
    document["outcomes"]["lost"]["by"] = ["manager"]
    return document


async def tried(world: World, who: str, **body: Any) -> tuple[bytes, list[dict[str, Any]]]:
    answer = await world.call(who, "POST", SIMULATE, body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["request-id"].startswith("req_")
    assert answer.content.endswith(b"\n")
    return answer.content, [json.loads(line) for line in answer.content.splitlines()]


async def test_managers_of_either_side_try_a_playbook_on_the_leads_they_see(world: World):
    before = await world.rows()
    seen = {}
    for who in ("manager", "partner_a_manager", "partner_b_manager"):
        content, lines = await tried(world, who, document=stricter())
        assert [line["type"] for line in lines] in (
            ["start", "lead", "progress", "summary"], ["start", "progress", "summary"],
        )  # fmt: skip
        seen[who] = (lines[0]["leads"], lines[-1]["leads"], lines[-1]["refused"]["commands"])
        assert (await tried(world, who, document=stricter()))[0] == content, "the same ledger, the same bytes"
    assert seen == {"manager": (3, 3, 1), "partner_a_manager": (2, 2, 1), "partner_b_manager": (1, 1, 0)}
    assert await world.rows() == before


async def test_a_version_in_force_would_have_refused_nothing_of_what_it_allowed(world: World):
    versions = await world.get("manager", "/v1/programs/smb-inside-sales/playbooks")
    _, lines = await tried(world, "manager", playbook=versions["items"][0]["id"])
    assert lines[0]["playbook"] == {"program": "smb-inside-sales", "version": 1}
    assert lines[-1]["refused"] == {"commands": 0, "leads": 0, "by_rule": []}
    assert lines[-1]["commands"] == 7  # three offers, three answers, one loss


@pytest.mark.parametrize(
    ("who", "body", "status", "slug"),
    [
        ("sales", {"document": {}}, 403, "not-permitted"),
        ("partner_a", {"document": {}}, 403, "not-permitted"),
        ("manager", {"document": {}}, 422, "playbook-invalid"),
        ("manager", {"document": {"playbook": 1}, "playbook": "pbk_x"}, 422, "validation-failed"),
        ("manager", {}, 422, "validation-failed"),
        ("manager", {"playbook": "pbk_x"}, 404, "not-found"),
        ("manager", {"playbook": random_id("pbk_x")}, 404, "not-found"),
        ("manager", {"playbook": "pbk_x", "from": "2026-12-02", "to": "2026-12-01"}, 422, "validation-failed"),
        ("manager", {"playbook": "pbk_x", "from": "tomorrow"}, 422, "validation-failed"),
        ("manager", {"playbook": "pbk_x", "since": "2026-12-02"}, 422, "validation-failed"),
    ],
)
async def test_what_cannot_be_tried_is_a_problem_and_no_stream(
    world: World, who: str, body: dict, status: int, slug: str
):
    answer = await world.call(who, "POST", SIMULATE, body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text


async def test_a_body_that_is_too_large_or_no_json_is_refused(world: World):
    for content, status in (
        (b"{", 400),
        (b'{"document": {"x": "' + b"x" * 1_100_000 + b'"}}', 413),
        (b"[" * 5000, 400),
    ):
        headers = {"Content-Type": "application/json"}
        answer = await world.call("manager", "POST", SIMULATE, content=content, headers=headers)
        assert answer.status_code == status, answer.text


async def test_a_program_of_another_tenant_does_not_exist(world: World):
    body = {"document": stricter(), "program": "somewhere-else"}
    answer = await world.call("manager", "POST", SIMULATE, body)
    assert answer.status_code == 404, answer.text


async def test_ownership_is_sound_for_everyone_who_may_ask(world: World):
    for who, leads in (
        ("manager", 3),
        ("admin", 3),
        ("partner_a", 2),
        ("partner_b_manager", 1),
        ("other_tenant_admin", 0),
    ):
        found = await world.get(who, "/v1/assurance/ownership")
        assert found.pop("as_of").endswith("Z")
        assert found == {
            "leads": leads, "ownerless": 0, "gaps": [], "overlaps": [], "disagreements": [], "truncated": False,
        }  # fmt: skip
    assert (await world.call("sales", "GET", "/v1/assurance/ownership")).status_code == 403
