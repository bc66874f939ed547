"""How rules come into force between organisations that may not know of each other, over real HTTP and real logins."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Identity, Login
from app.domain import ids
from app.domain.ids import Prefix
from app.security.keyring import MasterKeys
from app.workers.ratifier import Ratifier
from tests.domain.playbooks import document
from tests.world import CALL, World, a_world, lead_body, random_id

SIDES = ("manager", "partner_a_manager", "partner_b_manager")
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


def rules(program: str, *changes: Change) -> dict[str, Any]:
    held = {**document(), "program": program}
    for change in changes:
        change(held)
    return held


def within(minutes: int) -> Change:
    return lambda held: held["clocks"]["handover_response"].update(within={"business_minutes": minutes})


def renamed(former: str, key: str, *, was: bool = True) -> Change:
    """Give a stage another key, everywhere; `was` names the former one."""

    def change(held: dict[str, Any]) -> None:
        kept = {stage["key"]: stage.pop("was", None) for stage in held["stages"]}
        held.update(json.loads(json.dumps(held).replace(f'"{former}"', f'"{key}"')))
        for stage in held["stages"]:
            named = [former] if stage["key"] == key and was else kept.get(stage["key"])
            if named:
                stage["was"] = named

    return change


async def settle(world: World) -> None:
    """Let the worker look at everything that was said, and publish what it tells."""
    while await Ratifier(world.database).cycle() is not None:
        pass
    await world.publish()


async def open_program(world: World, *partners: str, **more: Any) -> str:
    key = f"p-{uuid4().hex[:12]}"
    enrolled = [{"partner": await world.organization(one)} for one in partners or ("partner_a", "partner_b")]
    body = {"key": key, "name": key, "calendar": "tokyo", "partners": enrolled, **more}
    await world.post("admin", "/v1/programs", body, status=201)
    return key


async def propose(world: World, who: str, program: str, held: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"document": held, "comment": f"{who} proposes", **more}
    return await world.post(who, f"/v1/programs/{program}/playbooks", body, status=201)


async def agreed(world: World, program: str, held: dict[str, Any], sides: tuple[str, ...] = SIDES) -> dict[str, Any]:
    """Return a version that all sides agreed to and that is in force."""
    version = await propose(world, sides[0], program, held)
    for who in sides[1:]:
        await world.post(who, f"/v1/playbooks/{version['id']}/agree")
    await settle(world)
    version = await world.get("manager", f"/v1/playbooks/{version['id']}")
    assert version["status"] == "in_force", version
    return version


async def told(world: World, who: str, kind: str, program: str) -> list[dict[str, Any]]:
    """Return the data of every event of a kind in the feed of `who` about a program."""
    found, cursor = [], None
    while True:
        page = await world.get(who, "/v1/events", limit=100, **({"cursor": cursor} if cursor else {}))
        found += [one["data"] for one in page["items"] if one["type"] == kind and one["data"]["program"] == program]
        cursor = page["next_cursor"]
        if not page["items"] or cursor is None:
            return found


async def test_rules_are_in_force_once_all_agreed_and_no_partner_learns_of_another(world: World):
    program = await open_program(world)
    client, a, b = [await world.organization(who) for who in SIDES]
    version = await propose(world, "partner_a_manager", program, rules(program))
    assert (version["status"], version["proposed_by"]) == ("proposed", a)
    assert (version["agreed_by"], version["awaits"]) == ([a], [client])
    path = f"/v1/playbooks/{version['id']}"
    seen = await world.post("partner_b_manager", f"{path}/agree")
    assert (seen["agreed_by"], seen["awaits"], seen["proposed_by"]) == ([b], [client], None)
    await settle(world)
    seen = await world.get("manager", path)
    assert (seen["status"], seen["awaits"], set(seen["agreed_by"])) == ("proposed", [client], {a, b})
    assert [one["version"] for one in await told(world, "manager", "playbook.proposed", program)] == [1]
    await world.post("manager", f"{path}/agree")
    await settle(world)
    for who in ("manager", "partner_a", "partner_b"):
        (proposal,) = await told(world, who, "playbook.proposed", program)
        assert (proposal["playbook_id"], proposal["answers"]) == (version["id"], None)
        (fact,) = await told(world, who, "playbook.agreed", program)
        assert fact == {"program": program, "playbook_id": version["id"], "version": 1}
    seen = await world.get("partner_b_manager", path)
    assert (seen["status"], seen["document"], seen["purpose"]) == (
        "in_force", rules(program), {name: document()["purpose"][name] for name in ("en", "ja")},
    )  # fmt: skip
    assert {one["organization"] for one in seen["agreements"]} == {client, b}
    assert [bool(one["client"]) for one in seen["agreements"]] == [True, False]
    assert a not in json.dumps(seen)
    everything = await world.get("manager", path)
    assert [one["organization"] for one in everything["agreements"]] == [a, b, client]


async def test_what_is_cited_is_the_program_that_agreed_whatever_its_document_calls_it(world: World):
    program = await open_program(world)
    await agreed(world, program, document())
    lead = await world.post("partner_a", "/v1/leads", lead_body("CITED-1", program=program), status=201)
    assert (lead["program"], lead["playbook"]) == (program, {"program": program, "version": 1})
    assert document()["program"] != program


async def test_a_counter_proposal_declines_what_it_answers_and_the_thread_is_kept(world: World):
    program = await open_program(world)
    first = await propose(world, "partner_a_manager", program, rules(program))
    second = await propose(world, "manager", program, rules(program, within(120)), answers=first["id"])
    assert (second["version"], second["answers"], second["status"]) == (2, first["id"], "proposed")
    listed = (await world.get("partner_b_manager", f"/v1/programs/{program}/playbooks"))["items"]
    assert [(one["version"], one["status"], one["answers"]) for one in listed] == [
        (2, "proposed", first["id"]),
        (1, "declined", None),
    ]
    assert listed[1]["declined"]["by"] == await world.organization("manager")
    assert listed[1]["declined"]["comment"] == "manager proposes"
    assert listed[1]["awaits"] == []
    for action in ("agree", "decline"):
        answer = await world.call(
            "partner_b_manager",
            "POST",
            f"/v1/playbooks/{first['id']}/{action}",
            {"comment": "x"} if action == "decline" else {},
        )
        assert answer.status_code == 409, answer.text
    await world.post("partner_b_manager", f"/v1/playbooks/{second['id']}/decline", {"comment": "120分は短すぎます。"})
    third = await propose(world, "partner_b_manager", program, rules(program, within(180)), answers=second["id"])
    await settle(world)
    assert [one["version"] for one in await told(world, "partner_a", "playbook.declined", program)] == [1, 2]
    assert {one["version"]: one["answers"] for one in await told(world, "partner_a", "playbook.proposed", program)} == {
        1: None, 2: first["id"], 3: second["id"],
    }  # fmt: skip
    seen = (await world.get("partner_a_manager", f"/v1/playbooks/{second['id']}"))["declined"]
    assert seen is None  # whoever it was is another partner, and its words may say so
    for who in ("manager", "partner_a_manager"):
        await world.post(who, f"/v1/playbooks/{third['id']}/agree")
    await settle(world)
    for body in ({"answers": third["id"]}, {"answers": random_id(third["id"])}, {"answers": "x"}):
        answer = await world.call(
            "manager", "POST", f"/v1/programs/{program}/playbooks",
            {"document": rules(program), "comment": "c", **body},
        )  # fmt: skip
        assert answer.status_code == (409 if body["answers"] == third["id"] else 422), answer.text


async def test_two_managers_who_agree_at_once_put_it_in_force_once(world: World):
    await world.add_client("second_manager", roles=["manager"])
    program = await open_program(world)
    version = await propose(world, "partner_a_manager", program, rules(program))
    path = f"/v1/playbooks/{version['id']}/agree"
    answers = await asyncio.gather(
        *(world.call(who, "POST", path, {}) for who in ("manager", "second_manager", "partner_b_manager") * 3)
    )
    assert {answer.status_code for answer in answers} == {200}
    await asyncio.gather(*(Ratifier(world.database).cycle() for _ in range(4)))
    await settle(world)
    for who in ("manager", "partner_a", "partner_b"):
        assert len(await told(world, who, "playbook.agreed", program)) == 1
        assert len(await told(world, who, "playbook.proposed", program)) == 1
    rows = (await world.get("manager", f"/v1/programs/{program}/agreements"))["items"]
    assert sorted(row["organization"] for row in rows) == sorted([await world.organization(who) for who in SIDES])


async def test_a_refusal_and_the_last_agreement_at_once_leave_one_result(world: World):
    for _ in range(4):
        program = await open_program(world, "partner_a")
        version = await propose(world, "partner_a_manager", program, rules(program))
        path = f"/v1/playbooks/{version['id']}"
        no, yes, _ = await asyncio.gather(
            world.call("partner_a_manager", "POST", f"{path}/decline", {"comment": "on second thoughts"}),
            world.call("manager", "POST", f"{path}/agree", {}),
            Ratifier(world.database).cycle(),
        )
        await settle(world)
        held = await world.get("manager", path)
        facts = [await told(world, "partner_a", f"playbook.{kind}", program) for kind in ("agreed", "declined")]
        if held["status"] == "in_force":
            assert (no.status_code, yes.status_code, len(facts[0]), facts[1]) == (409, 200, 1, [])
        else:
            assert (held["status"], no.status_code, facts[0], len(facts[1])) == ("declined", 200, [], 1)


async def test_an_open_version_is_overtaken_by_a_later_one(world: World):
    program = await open_program(world, "partner_a")
    old = await propose(world, "manager", program, rules(program))
    await agreed(world, program, rules(program, within(60)), SIDES[:2])
    answer = await world.call("partner_a_manager", "POST", f"/v1/playbooks/{old['id']}/agree", {})
    assert answer.status_code == 409
    assert (await world.get("manager", f"/v1/playbooks/{old['id']}"))["status"] == "superseded"


async def test_a_salesperson_reads_what_would_change(world: World):
    program = await open_program(world, "partner_a")
    held = await agreed(world, program, rules(program), SIDES[:2])
    version = await propose(world, "manager", program, rules(program, within(120)))
    path = f"/v1/playbooks/{version['id']}/diff"
    shown = await world.get("partner_a", path)
    assert (shown["before"], shown["after"]) == (
        {"id": held["id"], "version": 1},
        {"id": version["id"], "version": 2},
    )
    assert shown["changes"] == [
        {
            "kind": "changed",
            "area": "clocks",
            "subject": "handover_response",
            "en": "Answer to a handover: 240 → 120 business minutes",
            "ja": "引き継ぎ依頼への回答: 営業時間240 → 120分",
            "details": [],
        }
    ]
    accept = {"Accept": "text/markdown", "Accept-Language": "ja"}
    page = await world.call("partner_a", "GET", path, headers=accept, params={"against": held["id"]})
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text.endswith("## 期限\n\n- 引き継ぎ依頼への回答: 営業時間240 → 120分\n")
    backwards = await world.get("partner_a", f"/v1/playbooks/{held['id']}/diff", against=version["id"])
    assert [one["en"] for one in backwards["changes"]] == ["Answer to a handover: 120 → 240 business minutes"]
    for who, target, against, status in (
        ("partner_b", version["id"], held["id"], 404),
        ("other_tenant_admin", version["id"], held["id"], 404),
        ("partner_a", version["id"], random_id(held["id"]), 404),
        ("partner_a", version["id"], "x", 404),
    ):
        answer = await world.call(who, "GET", f"/v1/playbooks/{target}/diff", params={"against": against})
        assert answer.status_code == status, answer.text


async def test_who_agreed_to_what_and_when_is_exported_and_is_no_formula(world: World):
    program = await open_program(world)
    client, a, b = [await world.organization(who) for who in SIDES]
    first = await propose(world, "partner_a_manager", program, rules(program), review_on=None)
    await world.post("partner_b_manager", f"/v1/playbooks/{first['id']}/agree")
    comment = '=HYPERLINK("https://evil.example","x")'
    await world.post("partner_b_manager", f"/v1/playbooks/{first['id']}/decline", {"comment": comment})
    rows = (await world.get("manager", f"/v1/programs/{program}/agreements"))["items"]
    assert [(row["version"], row["decision"], row["organization"]) for row in rows] == [
        (1, "agreed", a),
        (1, "agreed", b),
        (1, "declined", b),
    ]
    assert (rows[0]["comment"], rows[1]["comment"], rows[2]["comment"]) == ("partner_a_manager proposes", None, comment)
    assert rows[0]["client"] == world.clients["partner_a_manager"]["client_id"]
    digest = rows[0]["document_hash"]
    assert len(digest) == 64
    held = await world.get("manager", f"/v1/playbooks/{first['id']}")
    assert held["document_hash"] == digest
    answer = await world.call("manager", "GET", f"/v1/programs/{program}/agreements", headers={"Accept": "text/csv"})
    assert answer.headers["content-disposition"] == f'attachment; filename="agreements-{program}.csv"'
    assert answer.text.startswith("\ufeffprogram,version,")
    sheet = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert sheet[2]["comment"] == f"'{comment}"
    assert [row["document_hash"] for row in sheet] == [digest] * 3
    own = (await world.get("partner_a_manager", f"/v1/programs/{program}/agreements"))["items"]
    assert [(row["decision"], row["organization"]) for row in own] == [("agreed", a)]
    assert client not in {row["organization"] for row in own}


async def test_a_stage_in_which_leads_stand_goes_on_under_another_key(world: World):
    program = await open_program(world)
    await agreed(world, program, rules(program))
    lead = await world.open_lead(f"L-{uuid4().hex[:8]}", program=program)
    gone = rules(program, renamed("awareness", "prospecting", was=False), renamed("evaluation", "assessment"))
    answer = await world.call(
        "manager", "POST", f"/v1/programs/{program}/playbooks", {"document": gone, "comment": "c"}
    )
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/playbook-invalid"
    assert [(error["code"], error["pointer"]) for error in answer.json()["errors"]] == [("stage.was", "/stages")]
    # Nothing tells partner B of the leads of partner A: its proposal is taken, and the client's agreement is refused.
    hidden = await propose(world, "partner_b_manager", program, gone)
    answer = await world.call("manager", "POST", f"/v1/playbooks/{hidden['id']}/agree", {})
    assert answer.json()["errors"][0]["code"] == "stage.was"
    both = rules(program, renamed("awareness", "prospecting"), renamed("evaluation", "assessment"))
    await agreed(world, program, both)
    kept = await world.get("partner_a", f"/v1/leads/{lead['id']}")
    assert (kept["stage"], kept["status"]) == ("awareness", "open")
    await world.post("partner_a", f"/v1/leads/{lead['id']}/activities", CALL)
    moved = await world.post("partner_a", f"/v1/leads/{lead['id']}/advance", {"to": "evaluation"})
    assert moved["stage"] == "assessment"
    actions = (await world.get("partner_a", f"/v1/leads/{lead['id']}/actions"))["items"]
    assert {one["command"] for one in actions if one["allowed"]} >= {"note", "handover"}
    accepted = await world.post(
        "partner_a", f"/v1/leads/{lead['id']}/handovers", {"to_role": "internal_sales", "summary": "s"}
    )
    await world.post("sales", f"/v1/handovers/{accepted['id']}/accept")


async def test_a_lead_that_comes_before_the_last_agreement_is_not_stranded_by_it(world: World):
    program = await open_program(world, "partner_a")
    held = await agreed(world, program, rules(program), SIDES[:2])
    gone = rules(program, renamed("awareness", "prospecting", was=False))
    version = await propose(world, "partner_a_manager", program, gone)
    await world.post("manager", f"/v1/playbooks/{version['id']}/agree")
    await world.open_lead(f"L-{uuid4().hex[:8]}", program=program)
    await settle(world)
    seen = await world.get("partner_a_manager", f"/v1/playbooks/{version['id']}")
    assert (seen["status"], seen["declined"]["by"]) == ("declined", None)
    assert "`was`" in seen["declined"]["comment"]
    assert (await world.get("partner_a", f"/v1/playbooks/{held['id']}"))["status"] == "in_force"
    (fact,) = await told(world, "partner_a", "playbook.declined", program)
    assert fact["stranded"] is True


async def test_all_are_reminded_of_the_review_once_and_on_the_day(world: World):
    program = await open_program(world)
    version = await propose(world, "manager", program, rules(program), review_on="2027-06-01")
    assert version["review_on"] == "2027-06-01"
    for who in SIDES[1:]:
        await world.post(who, f"/v1/playbooks/{version['id']}/agree")
    await settle(world)
    try:
        for moment, count in (
            ("2027-05-31T14:59:00+00", 0),
            ("2027-05-31T15:00:01+00", 1),
            ("2027-07-01T00:00:00+00", 1),
        ):
            await world.admin.execute("update baton.test_clock set ahead = $1::text::timestamptz - now()", moment)
            await asyncio.gather(*(Ratifier(world.database).cycle() for _ in range(3)))
            await settle(world)
            for who in ("manager", "partner_a", "partner_b"):
                facts = await told(world, who, "playbook.review_due", program)
                assert (
                    facts
                    == [{"program": program, "playbook_id": version["id"], "version": 1, "review_on": "2027-06-01"}]
                    * count
                )
    finally:
        await world.admin.execute("update baton.test_clock set ahead = '0'")
    for day in ("2020-01-01", "2099-01-01"):
        body = {"document": rules(program), "comment": "c", "review_on": day}
        answer = await world.call("manager", "POST", f"/v1/programs/{program}/playbooks", body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/review_on")


async def test_a_pilot_is_widened_and_who_joins_agrees_to_the_rules_in_force(world: World):
    program = await open_program(world, "partner_a", product="Baton Cloud", pilot=True)
    held = await agreed(world, program, rules(program), SIDES[:2])
    waiting = await propose(world, "manager", program, rules(program, within(60)))
    a, b = [await world.organization(who) for who in SIDES[1:]]

    async def patch(tag: str, body: dict[str, Any]) -> Any:
        answer = await world.call("admin", "PATCH", f"/v1/programs/{program}", body, headers={"If-Match": tag})
        assert answer.status_code == 200, answer.text
        return answer.json(), answer.headers["etag"]

    body, tag = await patch('"1"', {"partners": [{"partner": a}, {"partner": b}], "pilot": False})
    assert (body["product"], body["pilot"], set(body["partners"])) == ("Baton Cloud", False, {a, b})
    seen = await world.get("partner_b_manager", f"/v1/playbooks/{held['id']}")
    assert b in seen["awaits"]
    seen = await world.post("partner_b_manager", f"/v1/playbooks/{held['id']}/agree")
    assert (seen["status"], seen["awaits"]) == ("in_force", [])
    await world.post("partner_a_manager", f"/v1/playbooks/{waiting['id']}/agree")
    await settle(world)
    assert (await world.get("manager", f"/v1/playbooks/{waiting['id']}"))["awaits"] == [b]
    # The one that was still awaited leaves: all that remain have agreed.
    await patch(tag, {"partners": [{"partner": a}]})
    await settle(world)
    assert (await world.get("manager", f"/v1/playbooks/{waiting['id']}"))["status"] == "in_force"
    assert (await world.call("partner_b_manager", "GET", f"/v1/playbooks/{held['id']}")).status_code == 404


async def test_only_managers_of_those_who_take_part_speak(world: World):
    program = await open_program(world, "partner_a")
    version = await propose(world, "manager", program, rules(program))
    path = f"/v1/playbooks/{version['id']}"
    for who, status in (("sales", 403), ("partner_a", 403), ("partner_b_manager", 404), ("other_tenant_admin", 403)):
        answer = await world.call(who, "POST", f"{path}/decline", {"comment": "c"})
        assert answer.status_code == status, (who, answer.text)
    for who in ("partner_b_manager", "other_tenant_admin"):
        assert (await world.call(who, "GET", path)).status_code == 404
        assert (await world.call(who, "GET", f"/v1/programs/{program}/agreements")).status_code == 404


async def test_the_database_itself_hides_who_agreed_and_lets_nobody_speak_for_another(world: World):
    program = await open_program(world)
    version = await propose(world, "partner_a_manager", program, rules(program))
    playbook_id = ids.read(Prefix.PLAYBOOK, version["id"])
    tenant, a, b = [
        ids.read(Prefix.ORGANIZATION, await world.organization(who)) for who in SIDES
    ]  # fmt: skip
    identity = Identity(Login.PARTNER, tenant, b, uuid4())
    async with world.database.begin(identity) as tx:
        assert await tx.fetchval("select count(*) from baton.agreement where playbook_id = $1", playbook_id) == 0
    speak = "insert into baton.agreement values ($1, $2, $3, $4, now())"
    attempts: list[tuple[str, tuple[object, ...]]] = [
        (speak, (tenant, playbook_id, a, uuid4())),
        (speak, (tenant, playbook_id, tenant, uuid4())),
        ("insert into baton.declination values ($1, $2, $3, $4, 'c', now())", (tenant, playbook_id, a, uuid4())),
        ("update baton.playbook set status = 'in_force' where id = $1", (playbook_id,)),
        ("update baton.playbook set document = '{}' where id = $1", (playbook_id,)),
    ]
    for statement, values in attempts:
        with pytest.raises(asyncpg.PostgresError):
            async with world.database.begin(identity) as tx:
                await tx.execute(statement, *values)
    stranger = Identity(Login.PARTNER, tenant, UUID(int=5), uuid4())
    async with world.database.begin(stranger) as tx:
        assert (
            await tx.execute("update baton.playbook set status = 'declined' where id = $1", playbook_id) == "UPDATE 0"
        )
    assert (await world.get("manager", f"/v1/playbooks/{version['id']}"))["status"] == "proposed"


async def lint(world: World, body: Any) -> Any:
    answer = await world.call("partner_a", "POST", "/v1/playbooks/lint", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_lint_says_what_is_wrong_in_both_languages_and_stores_nothing(world: World):
    before = await world.tables()
    good = await lint(world, {"document": document()})
    assert (good["valid"], good["faults"], good["more_faults"]) == (True, [], 0)
    assert "clock handover_response | within | 240 business minutes\n" in good["rendering"]
    bad = document()
    bad["stages"][2]["exits"] = []
    found = await lint(world, {"document": bad})
    assert (found["valid"], found["faults"]) == (
        False,
        [
            {
                "pointer": "/stages/2/exits",
                "code": "stage.exit",
                "message": "Say how `negotiation` is left.",
                "message_ja": "`negotiation` の出口を指定してください。",
            }
        ],
    )
    assert found["rendering"].startswith("playbook | program | smb-inside-sales\n")
    nothing = await lint(world, {"document": {}})
    assert (nothing["valid"], nothing["rendering"]) == (False, None)
    assert await world.tables() == before


def nested(depth: int) -> str:
    return '{"document":' + '{"stages":[' * depth + "]}" * depth + "}"


def crowded() -> dict[str, Any]:
    """Return a playbook within every bound that has far too many states."""
    held = document()
    clock = held["clocks"]["progress_owed"]
    for n in range(40 - len(held["clocks"])):
        on = ("activity.logged", "stage.entered", "ownership.changed", "feedback.given", "handover.returned")[n % 5]
        held["clocks"][f"c{n}"] = {**clock, "starts": [{"event": on}], "stops": ["outcome.closed"]}
    for stage in held["stages"]:
        stage["clocks"] = list(held["clocks"])
    for n in range(16):
        held["roles"][f"r{n}"] = {"side": "either", "en": "R", "ja": "R"}
        for stage in held["stages"]:
            stage["accountable"].append(f"r{n}")
            stage["handovers"].append({"from": "manager", "to": f"r{n}"})
            stage["handovers"].append({"from": f"r{n}", "to": "manager"})
    return held


@pytest.mark.timeout(30)
async def test_hostile_documents_are_refused_clearly_and_soon(world: World):
    path = "/v1/playbooks/lint"
    send = {"headers": {"Content-Type": "application/json"}}
    for text, status, slug in (
        (nested(40), 400, "malformed-body"),
        ('{"document":{"a":1,"a":2}}', 400, "malformed-body"),
        ('{"document":{"claim_days":NaN}}', 400, "malformed-body"),
        ('{"document":[]}', 422, "validation-failed"),
        ('{"document":' + "[" * 500_000, 400, "malformed-body"),
        ('{"document":{"program":"' + "x" * 1_048_576 + '"}}', 413, "payload-too-large"),
    ):
        answer = await world.call("partner_a", "POST", path, content=text, **send)
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{slug}"), answer.text[:300]
    for name, held in (
        ("fields", {f"f{n}": 0 for n in range(80_000)}),
        ("stages", document() | {"stages": document()["stages"] * 100}),
        ("names", document() | {"roles": {"r" * 500_000: {}}}),
        ("codes", document() | {"choices": {f"c{n}": {} for n in range(50_000)}}),
        (
            "waits",
            document() | {"clocks": {"c": {**document()["clocks"]["revisit"], "within": {"business_days": 9e9}}}},
        ),
        ("shapes", document() | {"stages": [[], None, 1, "x", {"exits": {}}]}),
        ("rules", {"stages": [{"may": {f"m{n}": [] for n in range(500)}} for _ in range(100)]}),
    ):
        found = await lint(world, {"document": held})
        assert not found["valid"], name
        assert 1 <= len(found["faults"]) <= 50, name
        answer = await world.call(
            "manager", "POST", "/v1/programs/smb-inside-sales/playbooks", {"document": held, "comment": "c"}
        )
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/playbook-invalid"), name


async def test_a_playbook_of_too_many_states_is_given_up_and_holds_up_nobody(world: World):
    proving = asyncio.gather(*(lint(world, {"document": crowded()}) for _ in range(3)))
    answered = 0
    while not proving.done():
        await world.get("partner_a", "/v1/me")
        answered += 1
    for found in await proving:
        assert [fault["code"] for fault in found["faults"]] == ["space.too_large"]
    assert answered > 10
