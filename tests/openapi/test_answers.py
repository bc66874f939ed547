"""What the running API answers is what the document says: every status, header and member of a lead's whole journey."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.openapi import document_text
from app.security.keyring import MasterKeys
from tests.openapi.described import Validator, operation_of, resolve
from tests.world import CALL, LOST, MEETING, World, a_world, lead_body

HEADERS = ("ETag", "Location", "Link", "Idempotent-Replayed")


class Witness:
    """Holds every answer that passes against the document."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = json.loads(document_text())
        self._validator = Validator(self.document, closed=True)
        self.faults: list[str] = []
        self.seen: set[str] = set()

    async def see(self, answer: httpx2.Response) -> None:
        request = answer.request
        operation = operation_of(self.document, request.method, request.url.path)
        where = f"{request.method} {request.url.path} {answer.status_code}"
        if operation is None:
            self.faults.append(f"{where}: no operation")
            return
        self.seen.add(operation["operationId"])
        described = operation["responses"].get(str(answer.status_code))
        if described is None:
            self.faults.append(f"{where}: no such status")
            return
        described = resolve(self.document, described)
        await answer.aread()
        named = described.get("headers", {})
        self.faults += [f"{where}: header {name}" for name in HEADERS if name in answer.headers and name not in named]
        media_type = answer.headers.get("content-type", "").split(";")[0]
        content = described.get("content", {}).get(media_type)
        if content is None:
            if answer.content:
                self.faults.append(f"{where}: no {media_type}")
        elif media_type == "application/json":
            self.faults += [f"{where} {fault}" for fault in self._validator.faults(content["schema"], answer.json())]


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


@pytest.fixture
def witness(world: World) -> Witness:
    held = Witness()
    world.http.event_hooks = {"response": [held.see]}
    return held


async def _intake(world: World) -> dict[str, Any]:
    body = lead_body("W-1", metadata={"caller": "7"}, company={"name": "株式会社目撃", "domain": "witness.example"})
    lead = await world.post("partner_a", "/v1/leads", body, status=201)
    await world.post("partner_a", "/v1/leads", body, status=200)
    await world.call("partner_a", "POST", "/v1/leads", {**body, "context": {}})
    await world.call("partner_a", "POST", "/v1/leads", {"program": "none"})
    await world.call("partner_a", "POST", "/v1/leads", body, headers={"Idempotency-Key": "w"})
    await world.call("partner_a", "POST", "/v1/leads", body, headers={"Idempotency-Key": "w"})
    rows = "\n".join(json.dumps(row) for row in (lead_body("W-2"), {"external_id": "W-3"}))
    headers = {"Content-Type": "application/x-ndjson"}
    found = await world.call("partner_a", "POST", "/v1/lead-imports", content=rows.encode(), headers=headers)
    await world.get("partner_a", f"/v1/lead-imports/{found.json()['id']}")
    await world.adjudicate()
    return lead


async def _work(world: World, path: str) -> None:
    note = {
        "kind": "context",
        "body": "聞いたこと",
        "visibility": "shared",
        "external_id": "N1",
        "metadata": {"a": "b"},
    }
    await world.post("partner_a", f"{path}/notes", note, status=201)
    await world.post("partner_a", f"{path}/notes", note, status=200)
    for activity in (CALL, MEETING):
        await world.post("partner_a", f"{path}/activities", activity, status=201)
    await world.post("partner_a", f"{path}/assign", {"assignee": "tel-1"})
    await world.post("partner_a", f"{path}/advance", {"to": "evaluation"})
    tag = (await world.call("partner_a", "GET", path)).headers["ETag"]
    await world.call("partner_a", "GET", path, headers={"If-None-Match": tag})
    await world.call("partner_a", "PATCH", path, {"context": {"temperature": "warm"}}, headers={"If-Match": tag})
    await world.call("partner_a", "PATCH", path, {"context": {"temperature": "hot"}}, headers={"If-Match": tag})
    await world.call("partner_a", "PATCH", path, {})
    await world.call("partner_b", "GET", path)


async def _hand_over(world: World, path: str) -> dict[str, Any]:
    offer = {"to_role": "internal_sales", "summary": "引き継ぎ", "meeting": {"at": "2026-12-01T05:00:00Z"}}
    handover = await world.post("partner_a", f"{path}/handovers", offer, status=201)
    place = f"/v1/handovers/{handover['id']}"
    await world.call("partner_a", "POST", f"{path}/handovers", offer)
    asked = await world.post("sales", f"{place}/return", {"questions": [{"text": "予算は", "field": "/context/bant"}]})
    answers = [{"question_id": asked["questions"][0]["id"], "text": "四月"}]
    await world.post("partner_a", f"{place}/answer", {"answers": answers})
    await world.post("sales", f"{place}/reject", {"reason": "meeting_not_held"})
    await world.post("partner_a", f"{path}/handovers", offer, status=201)
    return (await world.post("sales", "/v1/handovers/pull", {"to_role": "internal_sales"}))["items"][0]["handover"]


async def _consult(world: World, path: str) -> None:
    question = {"role": "technical", "question": "連携できますか"}
    answered, declined, withdrawn = [
        f"/v1/consultations/{(await world.post('sales', f'{path}/consultations', question, status=201))['id']}"
        for _ in range(3)
    ]
    await world.post("technical", f"{answered}/answer", {"text": "できます"})
    await world.call("technical", "POST", f"{answered}/answer", {"text": "できます"})
    await world.post("technical", f"{declined}/decline", {"reason": "今週は不可", "alternative": "来週なら可"})
    await world.call("technical", "POST", f"{withdrawn}/withdraw")
    await world.post("sales", f"{withdrawn}/withdraw")
    for place in (answered, f"{path}/consultations", "/v1/consultations?side=asked&status=answered&limit=1"):
        await world.get("partner_a", place)


async def _close(world: World, path: str, handover: dict[str, Any]) -> None:
    feedback = {"handover_id": handover["id"], "rating": 4, "reasons": ["well_prepared"], "meeting_held": True}
    await world.post("sales", f"{path}/feedback", feedback, status=201)
    outcome = await world.post("sales", f"{path}/outcome", LOST, status=201)
    await world.post(
        "sales", f"/v1/outcomes/{outcome['id']}/correct", {**LOST, "learnings": "早く", "recoverable": True}
    )
    await world.post("partner_a", f"/v1/outcomes/{outcome['id']}/acknowledge")
    await world.post(
        "partner_a", f"/v1/outcomes/{outcome['id']}/contest", {"reason": "other", "note": "再検討とのこと"}
    )
    await world.call("partner_a", "POST", f"{path}/reopen")


async def _read(world: World, path: str, handover: dict[str, Any]) -> None:
    names = "notes,activities,handovers,outcome,clocks,company,related"
    for who in ("partner_a", "sales"):
        for place in (
            path,
            f"{path}?expand={names}",
            "/v1/leads?limit=1",
            "/v1/handovers",
            f"/v1/handovers/{handover['id']}",
        ):
            await world.get(who, place)
        for part in ("notes", "activities", "handovers", "timeline", "ownership", "actions"):
            await world.get(who, f"{path}/{part}")
        for place in ("/v1/me", "/v1/events?limit=2", "/v1/clocks", "/v1/escalations"):
            await world.get(who, place)
    for figure in ("funnel", "reasons", "feedback-debt"):
        await world.get("manager", f"/v1/kpis/{figure}")


async def test_a_leads_journey_is_answered_as_described(world: World, witness: Witness):
    lead = await _intake(world)
    path = f"/v1/leads/{lead['id']}"
    await _work(world, path)
    handover = await _hand_over(world, path)
    await _consult(world, path)
    await _close(world, path, handover)
    await world.publish()
    await _read(world, path, handover)
    assert witness.faults == []
    assert len(witness.seen) >= 34, witness.seen


async def test_administration_is_answered_as_described(world: World, witness: Witness):
    partner = await world.post("admin", "/v1/partners", {"key": "vendor-w", "name": "証人株式会社"}, status=201)
    place = f"/v1/partners/{partner['id']}"
    tag = (await world.call("admin", "GET", place)).headers["ETag"]
    await world.call("admin", "PATCH", place, {"name": "証人"}, headers={"If-Match": tag})
    client = await world.post("admin", f"{place}/clients", {"name": "crm", "roles": ["partner"]}, status=201)
    await world.post("admin", f"/v1/clients/{client['client_id']}/secrets", status=201)
    await world.get("admin", f"/v1/clients/{client['client_id']}")
    for listed in ("/v1/partners", "/v1/clients", f"{place}/clients", "/v1/programs/smb-inside-sales/playbooks"):
        await world.get("admin", listed)
    endpoint = {"url": f"{world.http.base_url}/hook", "event_types": ["*"]}
    made = await world.call("partner_a", "POST", "/v1/webhook-endpoints", endpoint)
    own = f"/v1/webhook-endpoints/{made.json().get('id', 'whe_none')}"
    await world.call("partner_a", "GET", own)
    for action in ("test", "rotate-secret", "enable"):
        await world.call("partner_a", "POST", f"{own}/{action}", {})
    await world.call("partner_a", "POST", f"{own}/replays", {"since": "2026-01-01T00:00:00Z"})
    for listed in ("/v1/webhook-endpoints", "/v1/deliveries", "/v1/event-types"):
        await world.get("partner_a", listed)
    hook = {"kind": "webhook", "name": "on-call", "config": {"url": endpoint["url"]}}
    await world.call("admin", "POST", "/v1/destinations", hook)
    await world.get("admin", "/v1/destinations")
    await world.call("partner_a", "POST", "/v1/destinations", hook)
    await world.call("admin", "GET", "/v1/leads?cursor=none")
    for open_to_all in ("/health/live", "/health/ready", "/.well-known/jwks.json", "/metrics"):
        await world.http.get(open_to_all)
    await world.http.get("/v1/me")
    await world.http.post("/oauth/token", data={"grant_type": "password"})
    assert witness.faults == []
