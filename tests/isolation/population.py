"""Fills two tenants with one object of every kind for each side, every text marked with who may see it.

A marker `mk-a-shared` stands in what partner A and its client both see, `mk-a-own` in what only A's organisation does.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from app.security.signing_keys import SigningKey, public_jwk
from app.seed import PROGRAM
from app.workers.ratifier import Ratifier
from tests.world import CALL, PROVENANCE, World, lead_body

TENANT_1: Final = "mk-t1"
"""Names no partner: what every organisation of tenant 1 may see."""
MARKERS: Final = {
    "mk-a-shared": {"a_all", "i_all"},
    "mk-a-own": {"a_all"},
    "mk-b-shared": {"b_all", "i_all"},
    "mk-b-own": {"b_all"},
    "mk-i-own": {"i_all"},
    "mk-p2-shared": {"p2_all", "i2_all"},
    "mk-p2-own": {"p2_all"},
    "mk-i2-own": {"i2_all"},
}
"""Which callers may ever see a marker. Each caller holds every role and scope that its side may hold."""
INTERNAL_ROLES: Final = ["internal_sales", "technical", "customer_success", "manager", "admin"]
PARTNER_ROLES: Final = ["partner", "manager", "admin"]
NOWHERE: Final = "http://127.0.0.1:9"

_PARTNERS: Final = (
    ("a", "a_all", "i_all", "mk-a-shared", "mk-a-own"),
    ("b", "b_all", "i_all", "mk-b-shared", "mk-b-own"),
    ("p2", "p2_all", "i2_all", "mk-p2-shared", "mk-p2-own"),
)


@dataclass
class Population:
    """`objects` are public ids by owner and kind; `heard` is every answer that a caller got while the module ran."""

    world: World
    objects: dict[str, dict[str, str]] = field(default_factory=dict)
    heard: dict[str, list[str]] = field(default_factory=dict, repr=False)
    cursors: dict[str, str] = field(default_factory=dict)
    feeds: dict[str, int] = field(default_factory=dict)
    """How many events each caller's feed holds."""

    def of(self, owner: str, kind: str) -> str | None:
        """Return the owner's object of a kind, or None where it has none."""
        return self.objects[owner].get(kind)


async def populate(world: World) -> Population:
    """Return the filled world."""
    people = Population(world)
    await _clients(world)
    _listen(people)
    await _missed(people)
    for owner, partner, insider, shared, own in _PARTNERS:
        inside = "mk-i-own" if insider == "i_all" else "mk-i2-own"
        people.objects[owner] |= await _partner_objects(world, partner, insider, shared, own, inside)
    for owner, insider, mark in (("i", "i_all", "mk-i-own"), ("i2", "i2_all", "mk-i2-own")):
        people.objects[owner] = await _internal_objects(world, insider, mark)
    await _pilot(people)
    await world.publish()
    for owner, who in (("a", "a_all"), ("b", "b_all"), ("p2", "p2_all"), ("i", "i_all"), ("i2", "i2_all")):
        sent = (await world.get(who, "/v1/deliveries"))["items"]
        people.objects[owner]["delivery"] = sent[0]["id"]
    return people


async def _clients(world: World) -> None:
    await world.add_client("i_all", roles=INTERNAL_ROLES)
    await world.add_client("a_all", partner_of="partner_a", roles=PARTNER_ROLES)
    await world.add_client("b_all", partner_of="partner_b", roles=PARTNER_ROLES)
    await world.add_client("i2_all", by="other_tenant_admin", roles=INTERNAL_ROLES)
    await world.add_client("p2_all", by="other_tenant_admin", partner_of="other_tenant_partner", roles=PARTNER_ROLES)


def _listen(people: Population) -> None:
    async def keep(answer: httpx2.Response) -> None:
        await answer.aread()
        token = answer.request.headers.get("authorization", "").removeprefix("Bearer ")
        who = next((name for name, held in people.world.tokens.items() if held == token), None)
        # The document is the same for everybody, and its examples are named as the demo's partners are.
        if who is not None and answer.request.url.path != "/openapi.json":
            text = f"{answer.request.method} {answer.request.url}\n{answer.headers!r}\n{answer.text}"
            people.heard.setdefault(who, []).append(text)

    people.world.http.event_hooks["response"].append(keep)


def marked_lead(external_id: str, shared: str, own: str) -> dict[str, Any]:
    """Return a lead whose every free text holds a marker."""
    return {
        "program": PROGRAM,
        "external_id": f"{shared}.{external_id}",
        "company": {"name": f"株式会社 {shared} {external_id}", "domain": f"{shared}-{external_id}.example"},
        "contact": {"name": shared, "title": shared, "email": f"{shared}@{shared}.example", "role": "decision_maker"},
        "provenance": PROVENANCE,
        "context": {
            "pain_points": [{"category": "process", "note": shared}],
            "expectations": shared,
            "temperature": "hot",
            "temperature_basis": shared,
            "bant": {
                "budget": {"value": "planned", "note": shared},
                "authority": {"value": "decision_maker", "note": shared},
                "need": {"value": "recognised", "note": shared},
                "timeline": {"value": "3_6m", "note": shared},
            },
            "personality": shared,
            "concerns": [shared],
            "next_step": {"what": shared, "due_on": "2026-12-01"},
        },
        "metadata": {"caller": own},
    }


async def _missed(people: Population) -> None:
    """Let each partner miss the first contact of a lead, so that there is an escalation of it."""
    world = people.world
    for _, partner, _, shared, own in _PARTNERS:
        await world.post(partner, "/v1/leads", marked_lead("missed", shared, own), status=201)
    await world.adjudicate()
    await world.pass_time(days=7)
    for owner, partner, *_ in _PARTNERS:
        people.objects[owner] = {
            "clock": (await world.get(partner, "/v1/clocks"))["items"][0]["id"],
            "escalation": (await world.get(partner, "/v1/escalations"))["items"][0]["id"],
        }


async def _credentials(world: World, insider: str, path: str, body: dict[str, Any]) -> dict[str, str]:
    """Make a client with a secret and a public key."""
    made = await world.post(insider, path, body, status=201)
    key = {"jwk": public_jwk(SigningKey.make().public)}
    registered = await world.post(insider, f"/v1/clients/{made['client_id']}/keys", key, status=201)
    return {"client": made["client_id"], "secret": made["secrets"][0]["id"], "public_key": registered["id"]}


async def _partner_objects(
    world: World, partner: str, insider: str, shared: str, own: str, inside: str
) -> dict[str, str]:
    made: dict[str, str] = {"partner": await world.organization(partner)}
    path, spare = f"/v1/partners/{made['partner']}/clients", {"name": shared, "roles": ["partner"]}
    made |= await _credentials(world, insider, path, spare)
    asked = {"name": shared, "roles": ["partner"]}
    invited = await world.post(insider, f"/v1/partners/{made['partner']}/invitations", asked, status=201)
    made["invitation"] = invited["id"]
    endpoint = {"url": f"{NOWHERE}/{own}", "event_types": ["*"], "description": own}
    made["endpoint"] = (await world.post(partner, "/v1/webhook-endpoints", endpoint, status=201))["id"]

    leads = [await world.post(partner, "/v1/leads", marked_lead(str(n), shared, own), status=201) for n in range(3)]
    await world.adjudicate()
    offered, closed, plain = (f"/v1/leads/{lead['id']}" for lead in leads)
    made |= {"lead": leads[0]["id"], "lead_external": f"external:{leads[0]['external_id']}"}
    made |= {"lead_closed": leads[1]["id"], "lead_plain": leads[2]["id"]}
    for who, text in ((partner, own), (insider, inside)):
        meta = {"metadata": {"caller": text}}
        await world.post(
            who,
            f"{offered}/notes",
            {"kind": "context", "body": shared, "visibility": "shared", "external_id": f"{shared}.n", **meta},
        )
        await world.post(who, f"{offered}/notes", {"kind": "context", "body": text, "visibility": "organization"})
        await world.post(
            who, f"{offered}/activities", {**CALL, "summary": shared, "external_id": f"{shared}.c", **meta}
        )
    offer = {
        "to_role": "internal_sales", "summary": shared, "note": shared, "metadata": {"caller": own},
        "meeting": {"at": "2026-12-01T01:00:00Z", "place": shared, "url": f"https://{shared}.example", "attendees": [shared]},
    }  # fmt: skip
    handover = await world.post(partner, f"{offered}/handovers", offer, status=201)
    made["handover"] = handover["id"]
    asked = await world.post(insider, f"/v1/handovers/{handover['id']}/return", {"questions": [{"text": shared}]})
    answers = [{"question_id": asked["questions"][0]["id"], "text": shared}]
    await world.post(partner, f"/v1/handovers/{handover['id']}/answer", {"answers": answers})

    await world.post(partner, f"{closed}/assign", {"assignee": own})
    accepted = await world.post(partner, f"{closed}/handovers", offer, status=201)
    await world.post(insider, f"/v1/handovers/{accepted['id']}/accept", {"assignee": inside})
    made["handover_accepted"] = accepted["id"]
    told = {
        "handover_id": accepted["id"],
        "meeting_held": True,
        "rating": 4,
        "reasons": ["well_prepared"],
        "note": shared,
    }
    await world.post(insider, f"{closed}/feedback", told)
    lost = {
        "result": "lost", "reason": "price", "stated_by": "customer_stated", "note": shared, "learnings": shared,
        "competitor": shared,
    }  # fmt: skip
    made["outcome"] = (await world.post(insider, f"{closed}/outcome", lost))["id"]
    await world.post(partner, f"/v1/outcomes/{made['outcome']}/contest", {"reason": "price", "note": shared})
    await world.post(partner, f"{plain}/assign", {"assignee": own})
    for end, words in (
        ("answer", {"text": shared}),
        ("decline", {"reason": shared, "alternative": shared}),
        (None, {}),
    ):
        question = {"role": "technical", "question": shared, "purpose": shared}
        made["consultation"] = (await world.post(partner, f"{plain}/consultations", question, status=201))["id"]
        if end:
            await world.post(insider, f"/v1/consultations/{made['consultation']}/{end}", words)

    rows = "\n".join(json.dumps(lead_body(f"{shared}.i{n}", company={"name": shared})) for n in range(2))
    headers = {"content-type": "application/x-ndjson"}
    imported = await world.call(
        partner, "POST", "/v1/lead-imports", content=rows + "\n{bad", headers=headers
    )  # fmt: skip
    assert imported.status_code == 201, imported.text
    made["import"] = imported.json()["id"]
    return made


async def _internal_objects(world: World, insider: str, mark: str) -> dict[str, str]:
    endpoint = {"url": f"{NOWHERE}/{mark}", "event_types": ["*"], "description": mark}
    tool = {"kind": "webhook", "name": mark, "config": {"url": f"{NOWHERE}/{mark}"}, "key_mode": "escalation"}
    spare = {"name": mark, "roles": ["technical"]}
    return {
        **await _credentials(world, insider, "/v1/clients", spare),
        "endpoint": (await world.post(insider, "/v1/webhook-endpoints", endpoint, status=201))["id"],
        "destination": (await world.post(insider, "/v1/destinations", tool, status=201))["id"],
    }


async def _pilot(people: Population) -> None:
    """Open a program that partner A alone takes part in."""
    world = people.world
    enrolled = [{"partner": people.objects["a"]["partner"]}]
    body = {"key": "mk-a-shared-pilot", "name": "mk-a-shared", "calendar": "tokyo", "partners": enrolled}
    pilot = await world.post("i_all", "/v1/programs", body, status=201)
    document = dict(
        json.loads(await world.admin.fetchval("select document::text from baton.playbook order by proposed_at limit 1"))
    )
    document["program"] = "mk-a-shared-pilot"
    proposal = {"document": document, "comment": "mk-a-shared"}
    proposed = await world.post("i_all", f"/v1/programs/{pilot['id']}/playbooks", proposal, status=201)
    await world.post("a_all", f"/v1/playbooks/{proposed['id']}/agree")
    while await Ratifier(world.database).cycle() is not None:
        pass
    people.objects["a"] |= {"program": pilot["id"], "program_key": pilot["key"], "playbook": proposed["id"]}
    again = {**proposal, "comment": "mk-a-shared again"}
    open_ = await world.post("a_all", f"/v1/programs/{pilot['id']}/playbooks", again, status=201)
    people.objects["a"]["playbook_open"] = open_["id"]
    refused = await world.post("a_all", f"/v1/programs/{pilot['id']}/playbooks", again, status=201)
    await world.post("a_all", f"/v1/playbooks/{refused['id']}/decline", {"comment": "mk-a-shared"})
