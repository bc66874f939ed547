"""A replay under the rules that were in force tells exactly what happened; under others, what they would have changed."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic_core import to_json

from app.db.session import Database
from app.domain.actor import Actor
from app.domain.errors import BatonError, NotFoundError, NotPermittedError, PlaybookInvalidError
from app.domain.ids import Prefix, read, show
from app.schemas.escalations import TakeUpIn, WaiveIn
from app.schemas.handovers import AnswerIn, RejectIn
from app.schemas.outcomes import AdvanceIn, AssignIn, FeedbackIn, OutcomeIn
from app.schemas.simulation import SimulationIn
from app.services import assurance, escalations, handovers, outcomes, progress
from app.services.simulation import simulate
from app.workers.adjudicator import Adjudicator
from app.workers.loops import AT_ONCE
from app.workers.timekeeper import Timekeeper
from tests.workers.journeys import KIT, Journeys, LeadRef, example, journeys, utc

Line = dict[str, Any]


@pytest.fixture
async def world(database: Database, database_url: str) -> AsyncIterator[Journeys]:
    async with journeys(database, database_url) as held:
        await held.seed()
        await held.at("2026-11-30T23:30:00Z")  # Tuesday 08:30 in Tokyo
        yield held
        await held.admin.execute("update baton.clock set state = 'cancelled' where state = 'running'")
        await held.admin.execute("update baton.escalation set next_at = null")


async def decide(world: Journeys) -> None:
    loop = Adjudicator(world.database)
    while await loop.cycle() == AT_ONCE:
        pass


async def keep_time(world: Journeys) -> None:
    loop = Timekeeper(world.database, "https://baton.example")
    while await loop.cycle() == AT_ONCE:
        pass


async def tried(world: Journeys, by: Actor, **body: Any) -> list[Line]:
    asked = SimulationIn.model_validate(body)
    return [line async for line in simulate(world.database, by, asked)]


async def in_force(world: Journeys) -> str:
    playbook_id = await world.admin.fetchval("select playbook_id from baton.program where id = $1", world.program_id)
    return show(Prefix.PLAYBOOK, playbook_id)


_STANDING = """
select l.owner_role, h.status, h.to_role, h.from_role from baton.lead l
left join baton.handover h on h.lead_id = l.id and h.status in ('requested', 'answered', 'returned') where l.id = $1
"""


class Life:
    """Whatever the people of both sides may do to a lead, at random; what is refused is refused."""

    def __init__(self, world: Journeys, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.vendor, self.sales, self.manager = world.partner(), world.internal(), world.internal("manager")
        self.success = world.internal("customer_success")
        self.done: Counter[str] = Counter()

    async def act(self, lead_id: UUID) -> None:
        people = {"partner": self.vendor, "internal_sales": self.sales, "customer_success": self.success}
        row = await self.world.admin.fetchrow(_STANDING, lead_id)
        likely, role = {
            "requested": (["accept", "accept", "reject", "return"], row["to_role"]),
            "answered": (["accept", "reject"], row["to_role"]),
            "returned": (["reply", "withdraw"], row["from_role"]),
        }.get(row["status"], (["call", "offer", "offer", "advance", "advance", "close", "reopen"], row["owner_role"]))
        name = self.chance.choice(likely if self.chance.random() < 0.8 else [*self.moves])
        actor = people.get(role, self.manager) if self.chance.random() < 0.8 else self.chance.choice([*people.values()])
        try:
            await self.moves[name](actor, lead_id)
            self.done[name] += 1
        except BatonError:
            pass

    @property
    def moves(self) -> dict[str, Callable[[Actor, UUID], Awaitable[Any]]]:
        return {
            "call": self.world.call,
            "offer": self._offer,
            "accept": lambda by, lead: self._answer(by, lead, handovers.accept, None),
            "return": lambda by, lead: self._answer(by, lead, handovers.send_back, None),
            "reject": lambda by, lead: self._answer(by, lead, handovers.reject, RejectIn(reason="meeting_not_held")),
            "reply": lambda by, lead: self._answer(by, lead, handovers.answer, None),
            "withdraw": lambda by, lead: self._answer(by, lead, handovers.withdraw, None),
            "advance": self._advance,
            "assign": self._assign,
            "close": self._close,
            "feedback": self._feedback,
            "reopen": lambda by, lead: self._on(by, lead, outcomes.reopen),
            "take_up": lambda by, lead: self._escalation(by, lead, escalations.acknowledge, TakeUpIn()),
            "waive": lambda by, lead: self._escalation(by, lead, escalations.waive, WaiveIn(reason="agreed by phone")),
        }

    async def _on(self, by: Actor, lead_id: UUID, use: Any, *body: Any) -> None:
        async with self.world.acting(by) as tx:
            await use(tx, by, KIT, LeadRef(id=lead_id), *body)

    async def _offer(self, by: Actor, lead_id: UUID) -> None:
        await self.world.offer(by, lead_id, self.chance.choice(["internal_sales", "partner", "customer_success"]))

    async def _assign(self, by: Actor, lead_id: UUID) -> None:
        if by is self.vendor:
            raise NotFoundError("only its own side sees it, so only its own side's replay could know of it")
        await self._on(by, lead_id, progress.assign, AssignIn(assignee="person-1"))

    async def _advance(self, by: Actor, lead_id: UUID) -> None:
        to = self.chance.choice(["evaluation", "negotiation", "closed"])
        await self._on(by, lead_id, progress.advance, AdvanceIn(to=to))

    async def _answer(self, by: Actor, lead_id: UUID, use: Any, body: Any) -> None:
        handover_id = await self.world.admin.fetchval(
            "select id from baton.handover where lead_id = $1 order by n desc limit 1", lead_id
        )
        if handover_id is None:
            raise NotFoundError("nothing was offered")
        if use is handovers.send_back:
            await self.world.send_back(by, handover_id)
        elif use is handovers.accept:
            await self.world.accept(by, handover_id)
        else:
            if use is handovers.answer:
                body = await self._reply(handover_id)
            async with self.world.acting(by) as tx:
                await use(tx, by, KIT, handover_id, *([body] if body else []))

    async def _reply(self, handover_id: UUID) -> AnswerIn:
        rows = await self.world.admin.fetch(
            "select items::text from baton.handover_step where handover_id = $1 and kind = 'questions' order by n",
            handover_id,
        )
        questions = [] if not rows else [rows[-1]["items"].split('"id": "')[1].split('"')[0]]
        return AnswerIn.model_validate(
            {"answers": [{"question_id": one, "text": "はい"} for one in questions or ["x"]]}
        )

    async def _close(self, by: Actor, lead_id: UUID) -> None:
        result = self.chance.choice(["won", "lost", "pending", "pending", "disqualified"])
        reason = {"won": "price", "disqualified": "no_fit"}.get(result, "timing")
        body = {"result": result, "reason": reason, "stated_by": "customer_stated"}
        if result == "pending":
            body["revisit_on"] = "2026-12-04"
        await self._on(by, lead_id, outcomes.close, OutcomeIn.model_validate(body))

    async def _feedback(self, by: Actor, lead_id: UUID) -> None:
        handover_id = await self.world.admin.fetchval(
            "select id from baton.handover where lead_id = $1 and accepted_at is not null limit 1", lead_id
        )
        if handover_id is None:
            raise NotFoundError("nothing was accepted")
        body = {"handover_id": show(Prefix.HANDOVER, handover_id), "meeting_held": True, "rating": 4, "reasons": []}
        await self._on(by, lead_id, outcomes.feedback, FeedbackIn.model_validate(body))

    async def _escalation(self, by: Actor, lead_id: UUID, use: Any, body: Any) -> None:
        found = await self.world.admin.fetchval(
            "select id from baton.escalation where lead_id = $1 and status = 'open' limit 1", lead_id
        )
        if found is None:
            raise NotFoundError("nothing was missed")
        async with self.world.acting(by) as tx:
            await use(tx, by, KIT, found, body)


async def test_under_the_rules_in_force_a_replay_tells_exactly_what_happened(world: Journeys) -> None:
    life = Life(world, 1)
    leads = [await world.post(life.vendor, {"name": f"会社{n}", "domain": f"c{n}.example"}) for n in range(12)] + [
        await world.post(life.sales, {"name": f"会社i{n}", "domain": f"i{n}.example"}) for n in range(2)
    ]
    await decide(world)
    mornings = [utc("2026-12-01T09:15:00+09:00") + timedelta(days=day) for day in range(4)]
    for moment in (morning + timedelta(minutes=30 * step) for morning in mornings for step in range(18)):
        await world.at(moment.isoformat())
        await keep_time(world)
        for lead_id in leads:
            if life.chance.random() < 0.12:
                await life.act(lead_id)
    for day in range(4, 21):
        for hour in (2, 5, 9):
            await world.at((mornings[0] + timedelta(days=day, hours=hour)).isoformat())
            await keep_time(world)
    assert {"offer", "accept", "call", "close", "advance"} <= life.done.keys(), life.done

    lines = await tried(world, world.internal("manager"), playbook=await in_force(world))
    summary = lines[-1]
    assert summary["refused"] == {"commands": 0, "leads": 0, "by_rule": []}
    told = {line["lead_id"]: line for line in lines if line["type"] == "lead"}
    missed = 0
    for lead_id in leads:
        happened = await world.admin.fetch(
            "select data::text as data from baton.event where lead_id = $1 and type = 'clock.breached' order by n",
            lead_id,
        )
        line = told.get(show(Prefix.LEAD, lead_id))
        if line is None:
            assert not happened
            continue
        missed += len(happened)
        would = [(one["clock"], one["due_at"]) for one in line["breached"]]
        did = [(one["clock"], one["due_at"]) for one in line["happened"]["breached"]]
        assert sorted(would) == sorted(did)
        assert len(did) == len(happened)
        assert len(line["taken_over"]) == line["happened"]["taken_over"]
    assert missed > 10
    assert summary["breached"]["would"] == summary["breached"]["did"] == missed
    assert [one for one in summary["breached"]["by_clock"] if one["in_both"] != one["did"]] == []
    assert summary["events"] == await world.admin.fetchval(
        "select count(*) from baton.event where tenant_id = $1 and sides <> 'partner'", world.tenant_id
    )

    async with world.acting(world.internal("admin")) as tx:
        checked = await assurance.ownership(tx, world.internal("admin"))
    assert (checked["leads"], checked["ownerless"]) == (14, 0)
    assert checked["gaps"] == checked["overlaps"] == checked["disagreements"] == []


async def a_past(world: Journeys) -> list[UUID]:
    """Two leads of A and one of B: called at ten, offered at noon, accepted in the afternoon, lost the next day."""
    found: list[UUID] = []
    for n, vendor in enumerate((world.partner(), world.partner(), world.partner(world.partner_b))):
        await world.at(f"2026-12-01T09:0{n}:00+09:00")
        lead_id = await world.post(vendor, {"name": f"会社{n}", "domain": f"p{n}.example"})
        await decide(world)
        await world.at(f"2026-12-01T10:0{n}:00+09:00")
        await world.call(vendor, lead_id)
        await world.at(f"2026-12-01T11:0{n}:00+09:00")
        handover_id = await world.offer(vendor, lead_id)
        await world.at(f"2026-12-01T14:0{n}:00+09:00")
        sales = world.internal()
        await world.accept(sales, handover_id)
        await world.at(f"2026-12-02T10:0{n}:00+09:00")
        body = OutcomeIn.model_validate({"result": "lost", "reason": "price", "stated_by": "customer_stated"})
        async with world.acting(sales) as tx:
            await outcomes.close(tx, sales, KIT, LeadRef(id=lead_id), body)
        found.append(lead_id)
    await world.at("2026-12-03T10:00:00+09:00")
    return found


def stricter() -> dict[str, Any]:
    """Handovers need the customer's concerns, and are answered within an hour."""
    document = example("playbook.yaml")
    for stage in document["stages"][:2]:
        stage["handovers"][0]["requires"]["fields"].append("/context/concerns")
    document["clocks"]["handover_response"]["within"] = {"business_minutes": 60}
    return document


async def test_a_proposal_is_tried_by_either_side_and_a_partner_sees_its_own_leads_only(world: Journeys) -> None:
    first, second, third = [show(Prefix.LEAD, lead_id) for lead_id in await a_past(world)]
    document = stricter()
    everything = await tried(world, world.internal("manager"), document=document)
    assert everything[0] == {
        "type": "start", "playbook": {"program": "smb-inside-sales", "version": None}, "program": "smb-inside-sales",
        "from": None, "to": None, "until": "2026-12-03T01:00:00Z", "leads": 3,
    }  # fmt: skip
    assert [line["lead_id"] for line in everything if line["type"] == "lead"] == [first, second, third]
    (rule,) = everything[-1]["refused"]["by_rule"]
    assert rule == {
        "rule": "stages.awareness.handovers.partner.internal_sales", "command": "handover",
        "problem": "handover-incomplete", "commands": 3, "leads": 3,
        "missing": [{"what": "/context/concerns", "times": 3}], "examples": [first, second, third],
    }  # fmt: skip
    assert everything[-1]["breached"] == {
        "would": 3, "did": 0, "by_clock": [{"clock": "handover_response", "would": 3, "did": 0, "in_both": 0}],
    }  # fmt: skip
    # An hour after 11:00 is noon; the lunch break does not count, so the second step is due at 14:00.
    line = next(line for line in everything if line["type"] == "lead")
    due = datetime.fromisoformat(line["breached"][0]["due_at"])
    assert timedelta() <= due - utc("2026-12-01T12:00:00+09:00") < timedelta(seconds=30) or (
        timedelta() <= due - utc("2026-12-01T13:00:00+09:00") < timedelta(seconds=30)
    )
    assert line["paged"][0]["notified"] == [
        {"organization": show(Prefix.ORGANIZATION, world.tenant_id), "role": "internal_sales"}
    ]
    own = await tried(world, world.partner(world.partner_b, "manager"), document=document)
    assert [line["lead_id"] for line in own if line["type"] == "lead"] == [third]
    assert (own[0]["leads"], own[-1]["refused"]["commands"]) == (1, 1)
    assert next(one for one in own if one["type"] == "lead") == next(
        one for one in everything if one.get("lead_id") == third
    )


async def test_the_same_ledger_gives_the_same_bytes_and_nothing_is_written(world: Journeys) -> None:
    await a_past(world)
    tables = ("event", "clock", "escalation", "lead", "outbox", "playbook")
    counted = " + ".join(f"(select count(*) from baton.{table})" for table in tables)
    before = await world.admin.fetchval(f"select {counted}")
    by = world.internal("manager")
    runs = [b"".join([to_json(line) for line in await tried(world, by, document=stricter())]) for _ in range(2)]
    assert runs[0] == runs[1]
    assert await world.admin.fetchval(f"select {counted}") == before


async def test_a_range_ends_with_its_last_day(world: Journeys) -> None:
    await a_past(world)
    by = world.internal("manager")
    document = stricter()
    day = await tried(world, by, document=document, **{"from": "2026-12-01", "to": "2026-12-01"})
    assert (day[0]["until"], day[0]["leads"]) == ("2026-12-01T15:00:00Z", 3)
    assert day[-1]["commands"] == 9  # the losses came on the second day
    later = await tried(world, by, document=document, **{"from": "2026-12-02"})
    assert (later[0]["leads"], later[-1]["leads"]) == (0, 0)


async def test_what_cannot_be_tried_is_refused_before_the_first_line(world: Journeys) -> None:
    document = stricter()
    nothing = show(Prefix.PLAYBOOK, UUID(int=5))
    broken = {**document, "stages": document["stages"][:3]}
    for by, body, error in (
        (world.internal(), {"document": document}, NotPermittedError),
        (world.partner(), {"document": document}, NotPermittedError),
        (world.internal("manager"), {"document": broken}, PlaybookInvalidError),
        (world.internal("manager"), {"playbook": nothing}, NotFoundError),
        (world.internal("manager"), {"playbook": "pbk_x"}, NotFoundError),
        (world.internal("manager"), {"document": document, "program": "another"}, NotFoundError),
    ):
        with pytest.raises(error):
            await tried(world, by, **body)


async def test_an_organisation_has_one_simulation_at_a_time_and_a_process_three(world: Journeys, monkeypatch) -> None:
    client, vendor = world.internal("manager"), world.partner(None, "manager")
    body = SimulationIn.model_validate({"document": stricter()})
    held = simulate(world.database, client, body)
    await anext(held)
    with pytest.raises(BatonError, match="still running"):
        await tried(world, client, document=stricter())
    assert (await tried(world, vendor, document=stricter()))[-1]["type"] == "summary", "another one's holds up nobody"
    monkeypatch.setattr("app.services.simulation.AT_ONCE", 1)
    with pytest.raises(BatonError, match="still running"):
        await tried(world, vendor, document=stricter())
    await held.aclose()
    assert (await tried(world, client, document=stricter()))[-1]["type"] == "summary"


async def test_a_fault_planted_in_the_chain_is_reported_to_those_who_may_see_the_lead(world: Journeys) -> None:
    lead_id = (await a_past(world))[2]
    moved = timedelta(minutes=7)
    async with world.admin.transaction():
        await world.admin.execute("set local session_replication_role = replica")  # past every constraint
        since = await world.admin.fetchval(
            "update baton.ownership set from_at = from_at + $2 where lead_id = $1 and n = 2 returning from_at",
            lead_id,
            moved,
        )
    found: dict[str, Line] = {}
    for name, by in (
        ("admin", world.internal("admin")),
        ("b", world.partner(world.partner_b)),
        ("a", world.partner()),
    ):
        async with world.acting(by) as tx:
            found[name] = await assurance.ownership(tx, by)
    for name in ("admin", "b"):
        (gap,) = found[name]["gaps"]
        assert (read(Prefix.LEAD, gap["lead_id"]), gap["source"]) == (lead_id, "chain")
        assert [utc(gap["from"]), utc(gap["until"])] == [since - moved, since]
        assert [one["n"] for one in found[name]["disagreements"]] == [2]
        assert found[name]["ownerless"] == 0
    assert (found["a"]["leads"], found["a"]["gaps"], found["a"]["disagreements"]) == (2, [], [])
    assert found["admin"]["leads"] == 3
    async with world.acting(world.internal()) as tx:
        with pytest.raises(NotPermittedError):
            await assurance.ownership(tx, world.internal())
