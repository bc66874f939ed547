"""One lead and what hangs on it, for the side that reads it."""

from datetime import datetime
from uuid import uuid4

import pytest

from app.domain.ids import Prefix, show
from tests.reads.world import World, example, lead

AT = datetime.fromisoformat("2026-11-10T01:00:00Z")
SAMPLE = {"name": "株式会社リード商事", "corporate_number": "7999901000001"}


async def annotated_note(world: World, lead_id, organization, visibility="shared", body="経緯"):
    note = uuid4()
    partner = await world.admin.fetchval("select partner_id from baton.lead where id = $1", lead_id)
    await world.insert(
        "note", partner_id=partner, id=note, lead_id=lead_id, organization_id=organization, role="partner",
        kind="context", visibility=visibility, body=body, body_hash=b"", created_at=AT,
    )  # fmt: skip
    await world.insert(
        "annotation", partner_id=partner, organization_id=organization, lead_id=lead_id, subject_id=note,
        document={"caller": "C-1"},
    )  # fmt: skip
    return note


async def test_every_expansion_has_its_member_and_the_lead_is_otherwise_the_same(world: World):
    by = world.actor(world.partner_a)
    lead_id = await world.post(by, "R-1", company=SAMPLE)
    bare = await world.get(by, f"/v1/leads/{lead(lead_id)}")
    names = "notes,activities,handovers,outcome,clocks,company,related"
    full = await world.get(by, f"/v1/leads/{lead(lead_id)}", expand=names)
    added = {name: full.pop(name) for name in names.split(",")}
    assert {**bare, "company": None, "outcome": None} == {**full, "company": None, "outcome": None}
    assert added["notes"] == added["activities"] == added["handovers"] == added["clocks"] == added["related"] == []
    assert added["outcome"] is None
    assert added["company"]["identity"] == {
        "name": "リド商事", "corporate_number": "7999901000001", "domain": None, "phone": None,
    }  # fmt: skip
    assert added["company"]["claim"] is None


async def test_a_lead_is_read_by_the_external_id_of_its_writer_only(world: World):
    by, other = world.actor(world.partner_a), world.actor(world.partner_b)
    lead_id = await world.post(by, "R-2")
    assert (await world.get(by, "/v1/leads/external:R-2"))["id"] == lead(lead_id)
    for caller, ref in ((other, "external:R-2"), (other, lead(lead_id)), (by, "lead_x"), (by, lead(uuid4()))):
        for path in ("", "/notes", "/activities", "/handovers", "/timeline", "/ownership", "/actions"):
            answer = await world.send(caller, "GET", f"/v1/leads/{ref}{path}")
            assert answer.status_code == 404, (ref, path, answer.text)


async def test_a_lead_has_an_etag_unless_what_was_expanded_changes_without_it(world: World):
    by = world.actor(world.partner_a)
    path = f"/v1/leads/{lead(await world.post(by, 'R-3'))}"
    answer = await world.send(by, "GET", path, params={"expand": "notes"})
    assert answer.headers["etag"] == '"p1"'
    same = await world.send(by, "GET", path, params={"expand": "notes"}, headers={"If-None-Match": '"p1"'})
    assert same.status_code == 304
    for name in ("company", "related"):
        assert "etag" not in (await world.send(by, "GET", path, params={"expand": f"notes,{name}"})).headers


async def test_an_unknown_expansion_is_refused(world: World):
    by = world.actor(world.partner_a)
    path = f"/v1/leads/{lead(await world.post(by, 'R-4'))}"
    answer = await world.send(by, "GET", path, params={"expand": "secrets"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/expand"


async def test_a_note_of_one_organisation_and_its_metadata_stay_there(world: World):
    by, client = world.actor(world.partner_a), world.actor()
    lead_id = await world.post(by, "R-5")
    await annotated_note(world, lead_id, world.partner_a)
    await annotated_note(world, lead_id, world.partner_a, "organization", "社内用")
    path = f"/v1/leads/{lead(lead_id)}"
    own = await world.get(by, f"{path}/notes")
    theirs = await world.get(client, f"{path}/notes")
    assert [(note["body"], note["metadata"]) for note in own["items"]] == [
        ("経緯", {"caller": "C-1"}), ("社内用", {"caller": "C-1"}),
    ]  # fmt: skip
    assert [(note["body"], note["metadata"]) for note in theirs["items"]] == [("経緯", {})]
    assert (await world.get(client, path, expand="notes"))["notes"] == theirs["items"]


async def test_related_leads_are_those_of_the_same_company_that_the_caller_may_see(world: World):
    by, other, client = world.actor(world.partner_a), world.actor(world.partner_b), world.actor()
    first = await world.post(by, "R-6", company={"name": "関連工業株式会社"})
    second = await world.post(by, "R-7", company={"name": "（株）関連工業"})
    theirs = await world.post(other, "R-8", company={"name": "関連工業株式会社"})
    await world.post(by, "R-9", company={"name": "無関係株式会社"})
    await world.post(by, "R-10", company={"name": "関連工業株式会社"}, test=True)
    path = f"/v1/leads/{lead(first)}"
    assert [one["id"] for one in (await world.get(by, path, expand="related"))["related"]] == [lead(second)]
    seen = (await world.get(client, path, expand="related"))["related"]
    assert {one["id"] for one in seen} == {lead(second), lead(theirs)}


@pytest.mark.parametrize(
    ("status", "claimed", "expires", "extendable"),
    [
        ("held", "2026-11-01", "2099-01-01", False),  # extended before: far more than 90 days
        ("held", "now", "now+90", True),
        ("expired", "now", "now+90", False),
    ],
)
async def test_a_claim_can_be_extended_once_while_it_is_held(world: World, status, claimed, expires, extendable):
    by = world.actor(world.partner_a)
    lead_id = await world.post(by, f"R-{uuid4().hex[:8]}")
    claim = uuid4()
    await world.insert(
        "claim", partner_id=world.partner_a, id=claim, program_id=world.program, lead_id=lead_id, status=status,
        claimed_at=AT, expires_at=AT,
    )  # fmt: skip
    await world.insert("claimed_lead", partner_id=world.partner_a, lead_id=lead_id, claim_id=claim)
    await world.admin.execute(
        "update baton.claim set claimed_at = case $2::text when 'now' then baton.now() else $2::timestamptz end,"
        " expires_at = case $3::text when 'now+90' then baton.now() + interval '90 days' else $3::timestamptz end"
        " where id = $1" if claimed != "now" else
        "update baton.claim set claimed_at = baton.now(), expires_at = baton.now() + interval '90 days' where id = $1",
        *([claim, claimed, expires] if claimed != "now" else [claim]),
    )  # fmt: skip
    shown = (await world.get(by, f"/v1/leads/{lead(lead_id)}", expand="company"))["company"]["claim"]
    assert (shown["status"], shown["extendable"]) == (status, extendable)


async def test_the_timeline_holds_what_the_side_sees_in_order(world: World):
    by, client = world.actor(world.partner_a), world.actor()
    lead_id = await world.post(by, "R-11")
    for kind, sides in (("activity.logged", "both"), ("ownership.changed", "partner"), ("clock.warned", "internal")):
        await world.insert(
            "event", id=uuid4(), at=AT, type=kind, actor_role="partner", request_id="r", lead_id=lead_id,
            partner_id=world.partner_a, sides=sides, data={"kind": "call"},
        )  # fmt: skip
    path = f"/v1/leads/{lead(lead_id)}/timeline"
    assert [one["type"] for one in await world.pages(by, path, limit=1)] == [
        "lead.received", "activity.logged", "ownership.changed",
    ]  # fmt: skip
    assert [one["type"] for one in await world.pages(client, path, limit=2)] == [
        "lead.received", "activity.logged", "clock.warned",
    ]  # fmt: skip


async def test_the_chain_of_owners_ends_with_the_one_who_is_accountable_now(world: World):
    by = world.actor(world.partner_a)
    chain = (await world.get(by, f"/v1/leads/{lead(await world.post(by, 'R-12'))}/ownership"))["items"]
    assert [(link["n"], link["role"], link["organization_id"], link["until"]) for link in chain] == [
        (1, "partner", show(Prefix.ORGANIZATION, world.partner_a), None)
    ]


async def test_actions_say_what_may_be_done_now_and_what_is_missing(world: World):
    by, client = world.actor(world.partner_a), world.actor()
    lead_id = await world.post(by, "R-13")
    path = f"/v1/leads/{lead(lead_id)}/actions"
    received = {one["command"]: one for one in (await world.get(by, path))["items"]}
    assert {name for name, one in received.items() if one["allowed"]} == {"update", "note", "activity"}
    assert "time_out" not in received
    await world.admin.execute("update baton.lead set status = 'open' where id = $1", lead_id)
    opened = {one["command"]: one for one in (await world.get(by, path))["items"]}
    assert {name for name, one in opened.items() if one["allowed"]} == {
        "update", "note", "activity", "outcome", "consult", "assign",
    }  # fmt: skip
    assert opened["handover"]["missing"] == [
        "/context/pain_points", "/context/temperature", "/context/bant/need", "completeness:0.6",
    ]  # fmt: skip
    assert opened["advance"]["missing"] == ["/context/pain_points", "activity:conversation"]
    assert opened["outcome"]["label_ja"] == "結果を確定する"
    theirs = {one["command"]: one for one in (await world.get(client, path))["items"]}
    assert not theirs["outcome"]["allowed"]
    assert theirs["outcome"]["rule"] == "stages.awareness.may.outcome"


STATES = {
    "received": {"status": "received"},
    "open with the partner": {"status": "open"},
    "open with internal sales": {"status": "open", "owner_role": "internal_sales", "stage": "negotiation"},
    "closed": {"status": "closed"},
    "not accepted": {"status": "not_accepted"},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("consulted", [["technical"], ["internal_sales"], ["partner", "customer_success"], []], ids=str)
async def test_actions_and_enforcement_agree_on_who_may_consult_whom(world: World, state: str, consulted: list[str]):
    held = STATES[state]
    document = example("playbook.yaml")
    for stage in document["stages"]:
        stage["consulted"] = consulted
    playbook = uuid4()
    await world.insert(
        "playbook", id=playbook, program_id=world.program, version=1000 + playbook.int % 10**6, status="superseded",
        document=document, comment="", proposed_by=world.tenant, proposed_at=AT,
    )  # fmt: skip
    lead_id = await world.post(world.actor(world.partner_a), f"R-{uuid4().hex[:8]}")
    owner = world.tenant if "owner_role" in held else world.partner_a
    async with world.admin.transaction():
        await world.admin.execute(
            "update baton.lead set status = $2, stage = $3, playbook_id = $4, owner_role = $5, owner_organization_id = $6"
            " where id = $1",
            lead_id, held["status"], held.get("stage", "awareness"), playbook, held.get("owner_role", "partner"), owner,
        )  # fmt: skip
    path, allowed_of_some = f"/v1/leads/{lead(lead_id)}", False
    callers = [
        world.actor(world.partner_a), world.actor(world.partner_a, "manager"), world.actor(),
        world.actor(None, "technical"), world.actor(None, "internal_sales", "manager"),
    ]  # fmt: skip
    for caller in callers:
        items = (await world.get(caller, f"{path}/actions"))["items"]
        (said,) = [one for one in items if one["command"] == "consult"]
        done, rules = [], set()
        for role in ("technical", "internal_sales", "partner", "customer_success", "manager"):
            answer = await world.send(
                caller, "POST", f"{path}/consultations", json={"role": role, "question": "連携できますか"}
            )
            if answer.status_code == 201:
                done.append(role)
                assert next(iter(answer.json())) == "purpose"
            else:
                rules.add(answer.json()["playbook"]["rule"])
        assert said["allowed"] == bool(done), (said, done, rules)
        assert set(done) <= set(consulted)
        assert said["allowed"] or said["rule"] in rules
        allowed_of_some |= said["allowed"]
    itself = {"open with the partner": "partner", "open with internal sales": "internal_sales"}
    assert allowed_of_some == (state in itself and bool(set(consulted) - {itself.get(state)}))
