"""Plays the other side of a test lead, with the commands and rules of real leads. A live lead does not exist here.

Everything happens in the caller's transaction: a scenario that does not fit changes nothing. The ledger says of each
fact that it was played, in which role, and which client asked for it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from app.db import admission, cases, lateness
from app.db.cases import Case, LeadRef
from app.db.journal import write
from app.db.session import Transaction
from app.domain import ids, scenarios
from app.domain.actor import Actor, Side
from app.domain.adjudication import Judgement
from app.domain.errors import ConflictError, NotPermittedError
from app.domain.escalations import restore
from app.domain.journey import Command, Refusal, decide, fallback_party, party_of
from app.domain.lead import RECEIVED
from app.domain.refusals import refused
from app.domain.scenarios import NOTE, SCENARIOS, Act, Part, Plan
from app.domain.view import lead_view
from app.schemas.base import Money
from app.schemas.consultations import ConsultationAnswerIn, ConsultationIn
from app.schemas.escalations import ResolveIn, TakeUpIn
from app.schemas.handovers import AcceptIn, HandoverIn, Question, RejectIn, ReturnIn
from app.schemas.leads import ActivityIn, NoteIn
from app.schemas.outcomes import AdvanceIn, FeedbackIn, OutcomeIn
from app.services.kit import Kit

_QUESTION: Final = "予算の時期はいつですか。 / When will the budget be decided?"
_LEARNINGS: Final = "初回に総額を示すべきだった。 / The total should have been shown at the first meeting."
_WON: Final = Money(value="1200000", currency="JPY")
_LIVE: Final = frozenset({"running", "breached"})

_LAST = "select coalesce(max(n), 0) from baton.event where tenant_id = $1 and lead_id = $2"
_TOLD = """
select type from baton.event where tenant_id = $1 and lead_id = $2 and n > $3 and sides <> 'internal' order by n
"""
_RUN_OUT = """
with clocks as (
  update baton.clock set due_at = $4 where tenant_id = $1 and lead_id = $2 and id = any($3::uuid[]) and test
  returning tenant_id, partner_id, handover_id
)
update baton.handover h set due_at = $4 from clocks c
where h.tenant_id = c.tenant_id and h.id = c.handover_id and h.partner_id = c.partner_id and h.due_at is not null
"""
_CLIMBING = """
update baton.escalation set next_at = $3
where tenant_id = $1 and lead_id = $2 and test and status = 'open' and next_at is not null
returning id, n
"""
_UNRESOLVED = """
select e.id, e.status, e.ladder, c.state from baton.escalation e
join baton.clock c on c.tenant_id = e.tenant_id and c.id = e.clock_id and c.partner_id = e.partner_id
where e.tenant_id = $1 and e.lead_id = $2 and e.status <> 'resolved' order by e.n
"""

Use = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Means:
    """The use cases that a play makes use of, as people's requests do: each takes transaction, actor and kit first."""

    advance: Use
    activity: Use
    note: Use
    ask: Use
    answer: Use
    handover: Use
    accept: Use
    reject: Use
    send_back: Use
    feedback: Use
    close: Use
    correct: Use
    reopen: Use
    acknowledge: Use
    resolve: Use


async def play(tx: Transaction, actor: Actor, kit: Kit, means: Means, ref: LeadRef, scenario: str) -> dict[str, Any]:
    """Play a scenario on the caller's own test lead. Raises NotFoundError, and what a rule refuses."""
    if actor.side is not Side.PARTNER:
        raise NotPermittedError("Baton plays your part here: only a partner can see the other side played.")
    tester = replace(actor, test=True)
    case = await cases.by_lead(tx, tester, ref)
    key = (actor.tenant_id, case.lead.id)
    before = await tx.fetchval(_LAST, *key)
    asked, tx.played = tx.request_id, True
    held = _Play(tx, tester, kit, means, case.lead.id, scenario, asked)
    for part in SCENARIOS[scenario]:
        await _PARTS[part](held, await held.case())
    tx.request_id, tx.played = asked, False
    case = await held.case()
    return {
        "scenario": scenario,
        "events": [row["type"] for row in await tx.fetch(_TOLD, *key, before)],
        "lead": lead_view(case.row, case.playbook, actor.side),
    }


@dataclass(slots=True)
class _Play:
    """One play under way; `n` counts its acts, each of which stands in the ledger as a request of its own."""

    tx: Transaction
    tester: Actor
    kit: Kit
    means: Means
    lead_id: UUID
    scenario: str
    asked: str
    n: int = 0

    async def case(self) -> Case:
        """Return the lead as it stands now."""
        return await cases.by_lead(self.tx, self.tester, LeadRef(id=self.lead_id))

    async def engine(self) -> Case:
        """Return the lead for an act of the engine, which is nobody's."""
        self.turn()
        case = await self.case()
        case.actor = None
        return case

    def turn(self) -> None:
        """Begin the next act."""
        self.n += 1
        self.tx.request_id = f"{self.asked}.{self.n}"

    async def give(self, plan: Plan | Act | None) -> None:
        """Give the commands of a plan. Raises the error of its refusal."""
        if isinstance(plan, Refusal):
            raise refused((await self.case()).playbook, plan)
        for act in (plan,) if isinstance(plan, Act) else plan or ():
            self.turn()
            case = await self.case()
            by = scenarios.actor_of(case.lead, act.by, self.tester.client_id)
            await _COMMANDS[act.command.name](self, case, by, act)


async def _admit(held: _Play, case: Case) -> None:
    if case.lead.status == RECEIVED:
        accepted = Judgement(accepted=True)
        await write(held.tx, admission.settle(await held.engine(), accepted, {}, public_url=held.kit.public_url))


async def _turn_away(held: _Play, case: Case) -> None:
    if refusal := scenarios.turned_away(case.lead):
        raise refused(case.playbook, refusal)
    await write(held.tx, admission.turn_away(await held.engine(), public_url=held.kit.public_url))


async def _take_up(held: _Play, case: Case) -> None:
    """Somebody answers at last: what was escalated is taken up, and is over where nothing is owed any more."""
    for row in await held.tx.fetch(_UNRESOLVED, case.lead.tenant_id, case.lead.id):
        party = fallback_party(case.lead, restore(cases.escalation_row(row)["ladder"]).fallback)
        if party.side is Side.PARTNER:
            continue
        by = scenarios.actor_of(case.lead, party, held.tester.client_id)
        if row["status"] == "open":
            held.turn()
            await held.means.acknowledge(held.tx, by, held.kit, row["id"], TakeUpIn(note=NOTE))
        if row["state"] not in _LIVE:
            held.turn()
            await held.means.resolve(held.tx, by, held.kit, row["id"], ResolveIn(note=NOTE))


async def _reopen(held: _Play, case: Case) -> None:
    await held.give(scenarios.reopening(case.playbook, case.lead))


async def _offer(held: _Play, case: Case) -> None:
    await held.give(scenarios.offering(case.playbook, case.lead, case.now))


def _answer(part: Part) -> "_Part":
    async def answer(held: _Play, case: Case) -> None:
        await held.give(scenarios.answering(case.playbook, case.lead, part))

    return answer


def _outcome(held: _Play, case: Case) -> Command:
    return scenarios.outcome(case.playbook, held.scenario, case.now.date())


async def _hold(held: _Play, case: Case) -> None:
    await held.give(scenarios.holding(case.playbook, case.lead, _outcome(held, case), case.now))


async def _work(held: _Play, case: Case) -> None:
    await held.give(scenarios.working(case.playbook, case.lead, case.now))


async def _feedback(held: _Play, case: Case) -> None:
    """The other side says how the handover was, where the playbook lets it and no outcome has said it yet."""
    handover, owner = case.lead.handover, case.lead.owner
    if case.lead.outcome is not None or handover is None or handover.status != "accepted":
        return
    by = scenarios.actor_of(case.lead, owner, held.tester.client_id)
    if owner.side is Side.INTERNAL and not isinstance(
        decide(case.playbook, case.lead, by, Command("feedback"), case.now), Refusal
    ):
        await held.give(Act(Command("feedback"), owner))


async def _close(held: _Play, case: Case) -> None:
    await held.give(scenarios.concluding(case.playbook, case.lead, _outcome(held, case), case.now))


async def _ignore(held: _Play, case: Case) -> None:
    """Nobody answers: what the other side owes runs out, and every ladder is climbed to its end."""
    key = (case.lead.tenant_id, case.lead.id)
    owed = [
        clock["id"]
        for clock in case.clocks
        if clock["owed_organization_id"] == case.lead.tenant_id and clock["state"] == "running"
    ]
    if not owed:
        raise ConflictError("The other side owes nothing on this lead that it could ignore.")
    await held.tx.execute(_RUN_OUT, *key, owed, case.now)
    await lateness.miss(await held.engine(), owed, held.kit.public_url, played=True)
    while climbing := await held.tx.fetch(_CLIMBING, *key, case.now):
        for row in sorted(climbing, key=lambda row: row["n"]):
            await lateness.step(await held.engine(), [row["id"]], held.kit.public_url)


_Part = Callable[[_Play, Case], Awaitable[None]]
_PARTS: Mapping[Part, _Part] = MappingProxyType(
    {
        Part.ADMIT: _admit,
        Part.TURN_AWAY: _turn_away,
        Part.TAKE_UP: _take_up,
        Part.REOPEN: _reopen,
        Part.OFFER: _offer,
        Part.ACCEPT: _answer(Part.ACCEPT),
        Part.REJECT: _answer(Part.REJECT),
        Part.RETURN: _answer(Part.RETURN),
        Part.HOLD: _hold,
        Part.WORK: _work,
        Part.FEEDBACK: _feedback,
        Part.CLOSE: _close,
        Part.IGNORE: _ignore,
    }
)


def _ref(case: Case) -> LeadRef:
    return LeadRef(id=case.lead.id)


def _handover_id(case: Case) -> UUID | None:
    return case.lead.handover.id if case.lead.handover else None


async def _do_advance(held: _Play, case: Case, by: Actor, act: Act) -> None:
    body = AdvanceIn(to=act.command.to_stage or "")
    await held.means.advance(held.tx, by, held.kit, _ref(case), body)


async def _do_activity(held: _Play, case: Case, by: Actor, act: Act) -> None:
    kind, disposition = act.work or ("", "")
    body = ActivityIn.model_validate({"kind": kind, "at": case.now.isoformat(), "disposition": disposition})
    await held.means.activity(held.tx, by, held.kit, _ref(case), body)


async def _do_note(held: _Play, case: Case, by: Actor, _: Act) -> None:
    body = NoteIn(kind="context", body=NOTE, visibility="shared")
    await held.means.note(held.tx, by, held.kit, _ref(case), body)


async def _do_consult(held: _Play, case: Case, by: Actor, act: Act) -> None:
    """Ask, and have whoever was asked answer."""
    role = act.command.to_role or ""
    body = ConsultationIn.model_validate({"role": role, "question": _QUESTION})
    asked = await held.means.ask(held.tx, by, held.kit, _ref(case), body)
    held.turn()
    party = party_of(case.playbook, case.lead, role)
    answering = scenarios.actor_of(case.lead, party, held.tester.client_id)
    consultation_id = ids.read(ids.Prefix.CONSULTATION, asked["id"])
    await held.means.answer(held.tx, answering, held.kit, consultation_id, ConsultationAnswerIn(text=NOTE))


async def _do_handover(held: _Play, case: Case, by: Actor, act: Act) -> None:
    body = HandoverIn(to_role=act.command.to_role or "", summary=NOTE)
    await held.means.handover(held.tx, by, held.kit, _ref(case), body)


async def _do_accept(held: _Play, case: Case, by: Actor, _: Act) -> None:
    await held.means.accept(held.tx, by, held.kit, _handover_id(case), AcceptIn())


async def _do_reject(held: _Play, case: Case, by: Actor, act: Act) -> None:
    body = RejectIn(reason=act.command.reason or "", note=NOTE)
    await held.means.reject(held.tx, by, held.kit, _handover_id(case), body)


async def _do_return(held: _Play, case: Case, by: Actor, _: Act) -> None:
    body = ReturnIn(questions=[Question(text=_QUESTION)])
    await held.means.send_back(held.tx, by, held.kit, _handover_id(case), body)


async def _do_feedback(held: _Play, case: Case, by: Actor, _: Act) -> None:
    handover_id = _handover_id(case)
    if handover_id is not None:
        shown = ids.show(ids.Prefix.HANDOVER, handover_id)
        body = FeedbackIn(handover_id=shown, meeting_held=True, rating=4, note=NOTE)
        await held.means.feedback(held.tx, by, held.kit, _ref(case), body)


def _outcome_body(act: Act) -> OutcomeIn:
    command = act.command
    return OutcomeIn.model_validate(
        {
            "result": command.result,
            "reason": command.reason,
            "stated_by": "customer_stated",
            "note": NOTE,
            "learnings": None if command.result == "won" else _LEARNINGS,
            "amount": _WON if command.result == "won" else None,
            "revisit_on": command.revisit_on.isoformat() if command.revisit_on else None,
        }
    )


async def _do_outcome(held: _Play, case: Case, by: Actor, act: Act) -> None:
    await held.means.close(held.tx, by, held.kit, _ref(case), _outcome_body(act))


async def _do_correct(held: _Play, case: Case, by: Actor, act: Act) -> None:
    if case.lead.outcome is not None:
        await held.means.correct(held.tx, by, held.kit, case.lead.outcome.id, _outcome_body(act))


async def _do_reopen(held: _Play, case: Case, by: Actor, _: Act) -> None:
    await held.means.reopen(held.tx, by, held.kit, _ref(case))


_COMMANDS: Mapping[str, Callable[[_Play, Case, Actor, Act], Awaitable[None]]] = MappingProxyType(
    {
        "advance": _do_advance,
        "activity": _do_activity,
        "note": _do_note,
        "consult": _do_consult,
        "handover": _do_handover,
        "accept": _do_accept,
        "reject": _do_reject,
        "return": _do_return,
        "feedback": _do_feedback,
        "outcome": _do_outcome,
        "correct": _do_correct,
        "reopen": _do_reopen,
    }
)
