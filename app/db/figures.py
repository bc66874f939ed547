"""Counts what happened, from the ledger alone: events that both sides see, of leads that are no test.

Both organisations therefore read the same figures for the same leads; row-level security narrows what is counted, never
how. Every lead counts at most once in each column, at the moment it first got there; of its outcomes the last one
counts, in its last version, at the moment it was closed. Days and months are those of the program's calendar. A lead
that was not accepted never entered the funnel. Arithmetic on the counts is `domain/funnel`.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal
from uuid import UUID

from app.db.session import Transaction

View = Literal["cohort", "period"]
GroupBy = Literal["month", "partner", "industry", "source_kind", "pain_category", "playbook"]

_REACHED = "('connected', 'callback_requested', 'refused', 'do_not_call', 'appointment_set')"
"""Dispositions of a call in which a person of the company was spoken to; the others are nobody, a machine, a gate."""
_SETTLED = "('held', 'no_show', 'cancelled_by_customer', 'cancelled_by_us')"
"""Dispositions after which an appointment is no longer ahead."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is counted: of which program and partner, from which day to which (both inclusive), and how it is grouped.

    `cohort` takes the leads received in those days and everything that became of them; `period` takes what happened
    in those days, whenever the lead was received. A sandboxed caller is told of nothing: no figure counts a test.
    """

    tenant_id: UUID
    program_id: UUID | None
    partner_id: UUID | None
    first: date | None
    last: date | None
    view: View
    group_by: GroupBy | None
    sandboxed: bool = False


def _agreed(program: str, moment: str) -> str:
    """Return the SQL of the version that was in force in a program at a moment, as `program/version`."""
    return (
        f"(select p.key || '/' || b.version from baton.playbook b"  # noqa: S608  # constants of this module
        f" join baton.program p on p.tenant_id = b.tenant_id and p.id = b.program_id"
        f" where b.tenant_id = $1 and b.program_id = {program} and b.in_force_at <= {moment}"
        f" order by b.in_force_at desc limit 1)"
    )


# $1 tenant, $2 program, $3 partner, $4 first day, $5 last day, $6 view, $7 grouping.
_LEADS = f"""
zones as (
  select p.id, coalesce(c.document->>'time_zone', 'UTC') as zone
  from baton.program p left join baton.calendar c on c.tenant_id = p.tenant_id and c.id = p.calendar_id
  where p.tenant_id = $1
),
goals as (select b.id, b.document->>'qualified' as stage from baton.playbook b where b.tenant_id = $1),
leads as materialized (
  select r.lead_id, r.at as received_at, r.data as received, l.playbook_id, coalesce(z.zone, 'UTC') as zone, g.stage,
    case $7::text
      when 'partner' then array[r.partner_id::text]
      when 'industry' then array[r.data->>'industry']
      when 'source_kind' then array[r.data->>'source_kind']
      when 'pain_category' then coalesce(
        nullif(array(select jsonb_array_elements_text(r.data->'pain_categories')), '{{}}'), array[null::text])
      when 'playbook' then array[{_agreed("l.program_id", "r.at")}]
      else array[null::text]
    end as groups
  from baton.event r
  join baton.lead l on l.tenant_id = r.tenant_id and l.id = r.lead_id and l.partner_id = r.partner_id
  left join zones z on z.id = l.program_id
  left join goals g on g.id = l.playbook_id
  where r.tenant_id = $1 and r.type = 'lead.received' and r.sides = 'both' and not r.test
    and l.status <> 'not_accepted'
    and ($2::uuid is null or l.program_id = $2) and ($3::uuid is null or r.partner_id = $3)
),
facts as materialized (
  select l.*, e.n, e.type, e.at, e.data, e.data->>'disposition' as disposition,
    e.type = 'activity.logged' and e.data->>'kind' = 'call' as call,
    e.type = 'activity.logged' and e.data->>'kind' in ('meeting', 'visit') as meeting,
    case when e.type = 'activity.logged' then (e.data->>'at')::timestamptz else e.at end as done_at
  from leads l
  join baton.event e on e.tenant_id = $1 and e.lead_id = l.lead_id and e.sides = 'both' and not e.test
    and e.type in ('activity.logged', 'handover.requested', 'handover.rejected', 'handover.returned', 'stage.entered',
      'feedback.given', 'outcome.closed', 'outcome.corrected')
),
outcomes as materialized (
  select distinct on (lead_id) lead_id, received_at, zone, groups, playbook_id, closed_at, data,
    data->>'result' as result
  from (
    select *, min(at) filter (where type = 'outcome.closed') over (
      partition by lead_id, data->>'outcome_id') as closed_at
    from facts where type in ('outcome.closed', 'outcome.corrected')
  ) versions
  order by lead_id, n desc
)
"""  # noqa: S608  # constants of this module
_WITHIN = """
($4::date is null or (x.counted_at at time zone x.zone)::date >= $4)
and ($5::date is null or (x.counted_at at time zone x.zone)::date <= $5)
"""
_GROUP = "case when $7::text = 'month' then to_char(x.counted_at at time zone x.zone, 'YYYY-MM') else k.key end"

_FUNNEL = f"""
with {_LEADS},
reached as (
  select lead_id,
    min(done_at) filter (where call and disposition in {_REACHED}) as connected_at,
    min(done_at) filter (where call and disposition in {_REACHED}
      and coalesce(data->>'contact_role', received->>'contact_role') = 'decision_maker') as key_person_at,
    min(least(at, done_at)) filter (where call and disposition = 'appointment_set' or meeting
      or data->>'meeting_at' is not null or data->>'meeting_held' = 'true') as appointment_at,
    min(done_at) filter (where meeting and disposition in {_SETTLED} or data->>'meeting_held' is not null)
      as settled_at,
    max(coalesce((data->>'meeting_at')::timestamptz, done_at)) filter (
      where meeting and disposition not in {_SETTLED} or data->>'meeting_at' is not null) as planned_at,
    min(done_at) filter (where meeting and disposition = 'held' or data->>'meeting_held' = 'true') as held_at,
    min(at) filter (where type = 'stage.entered' and data->>'to' = stage) as entered_at
  from facts group by lead_id
),
counted as (
  select l.received_at, l.zone, l.groups, v.name, v.at, v.currency, v.amount, v.annual_value
  from leads l
  left join reached r on r.lead_id = l.lead_id
  left join outcomes o on o.lead_id = l.lead_id
  cross join lateral (values
    ('leads', l.received_at, null, null, null),
    ('connected_leads', r.connected_at, null, null, null),
    ('key_person_leads', r.key_person_at, null, null, null),
    ('appointments', r.appointment_at, null, null, null),
    ('appointments_due', coalesce(r.settled_at, case when r.planned_at <= baton.now() then r.planned_at end),
      null, null, null),
    ('meetings_held', r.held_at, null, null, null),
    ('qualified', case when r.held_at is not null and (r.entered_at is not null or l.received->>'stage' = l.stage)
      then greatest(r.held_at, r.entered_at) end, null, null, null),
    (o.result, o.closed_at, o.data->>'currency', (o.data->>'amount')::numeric, (o.data->>'annual_value')::numeric)
  ) as v (name, at, currency, amount, annual_value)
  where v.at is not null
  union all
  select received_at, zone, groups, v.name, done_at, null, null, null
  from facts cross join lateral (values ('calls', true), ('connected', disposition in {_REACHED})) as v (name, counts)
  where call and v.counts
)
select key, name, currency, sum(times)::bigint as times, sum(amount) as amount, sum(annual_value) as annual_value
from (
  select {_GROUP} as key, x.name, case when x.name = 'won' then x.currency end as currency, 1 as times,
    case when x.name = 'won' then x.amount end as amount,
    case when x.name = 'won' then x.annual_value end as annual_value
  from (select *, case when $6::text = 'cohort' then received_at else at end as counted_at from counted) x
  cross join lateral unnest(x.groups) as k (key)
  where {_WITHIN}
  union all
  select case $7::text when 'month' then to_char(c.on_date, 'YYYY-MM') when 'partner' then c.partner_id::text
      when 'playbook' then {_agreed("c.program_id", "(c.on_date + 1)::timestamp at time zone coalesce(z.zone, 'UTC')")}
    end, v.name, null, v.times, null, null
  from baton.call_count c left join zones z on z.id = c.program_id
  cross join lateral (values ('calls', c.calls), ('connected', c.connected)) as v (name, times)
  where c.tenant_id = $1 and ($2::uuid is null or c.program_id = $2) and ($3::uuid is null or c.partner_id = $3)
    and ($4::date is null or c.on_date >= $4) and ($5::date is null or c.on_date <= $5)
) tally
group by key, name, currency
"""  # noqa: S608  # constants of this module

_REASONS = f"""
with {_LEADS},
given as (
  select received_at, zone, groups, playbook_id, at, n, split_part(type, '.', 2) as kind, data->>'reason' as code,
    true as main
  from facts where type in ('handover.rejected', 'handover.returned')
  union all
  select received_at, zone, groups, playbook_id, closed_at, 0, result, v.code, v.main
  from outcomes cross join lateral (
    select data->>'reason', true
    union all
    select s.code, false from jsonb_array_elements_text(data->'secondary_reasons') as s (code)
  ) as v (code, main)
  where result in ('lost', 'pending', 'disqualified')
)
select {_GROUP} as key, x.kind, x.code, count(*) filter (where x.main) as times,
  count(*) filter (where not x.main) as secondary, (array_agg(x.playbook_id order by x.at desc))[1] as playbook_id
from (select *, case when $6::text = 'cohort' then received_at else at end as counted_at from given) x
cross join lateral unnest(x.groups) as k (key)
where {_WITHIN}
group by 1, 2, 3
"""  # noqa: S608

_OWED = """
select c.partner_id, c.owed_role, c.name, c.playbook_id, c.calendar_id, count(*) as open,
  count(*) filter (where c.due_at < baton.now()) as overdue,
  min(c.due_at) filter (where c.due_at < baton.now()) as oldest
from baton.clock c
join baton.lead l on l.tenant_id = c.tenant_id and l.id = c.lead_id and l.partner_id = c.partner_id
where c.tenant_id = $1 and c.state in ('running', 'breached') and not c.test
  and ($2::uuid is null or l.program_id = $2) and ($3::uuid is null or c.partner_id = $3)
group by 1, 2, 3, 4, 5
"""


async def funnel(tx: Transaction, scope: Scope) -> list[dict[str, Any]]:
    """Return how often each column was reached, by group; `won` by currency, with what was won."""
    return await _rows(tx, _FUNNEL, scope)


async def reasons(tx: Transaction, scope: Scope) -> list[dict[str, Any]]:
    """Return how often each reason was given, as the main one and as a secondary one, by group and kind."""
    return await _rows(tx, _REASONS, scope)


async def owed(
    tx: Transaction, tenant_id: UUID, program_id: UUID | None, partner_id: UUID | None, *, sandboxed: bool
) -> list[dict[str, Any]]:
    """Return the running clocks by partner, owing role, kind and calendar, with the oldest that is past due."""
    if sandboxed:
        return []
    return [dict(row) for row in await tx.fetch(_OWED, tenant_id, program_id, partner_id)]


async def _rows(tx: Transaction, statement: str, scope: Scope) -> list[dict[str, Any]]:
    if scope.sandboxed:
        return []
    found = await tx.fetch(
        statement, scope.tenant_id, scope.program_id, scope.partner_id, scope.first, scope.last, scope.view,
        scope.group_by,
    )  # fmt: skip
    return [dict(row) for row in found]
