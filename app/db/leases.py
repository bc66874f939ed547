"""Deliveries as the dispatcher takes and gives them back: leased under a token, finished only by who holds it.

Every function works in a transaction of the worker's login whose lanes have been locked by `lock_due`, `lock` or
`lock_lost` in an earlier statement, so that `take` sees every delivery that was added to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from app.db.lanes import ROUND
from app.db.session import Transaction

LEASE_S: Final = 40
"""Longer than any attempt: its deadline is 15 s, so no lease needs a heartbeat (webhooks.md 5)."""
IN_FLIGHT: Final = 4
"""Deliveries of one lane under way at once."""
BREAKER_AFTER: Final = 5
"""Failures in a row after which a lane of the `feed` profile rests, 30 s doubling to 5 min, then tries one delivery."""
LOST_LIMIT: Final = 20
"""Attempts in one round after which a delivery that keeps losing its workers is given up."""

LaneKey = tuple[UUID, UUID]
"""Tenant and lane."""


@dataclass(frozen=True, slots=True)
class Job:
    """One leased delivery and where it goes; an endpoint's columns are None for a destination and the reverse."""

    tenant_id: UUID
    id: UUID
    lane_id: UUID
    organization_id: UUID
    message_id: str
    type: str
    body: str
    attempts: int
    lease_token: UUID
    profile: str
    url: str | None
    signature: str | None
    secret: bytes | None
    previous_secret: bytes | None
    kind: str | None
    config: bytes | None

    @property
    def made(self) -> int:
        """The attempts of this round, this one included."""
        return self.attempts % ROUND


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that has ended, and what follows from it.

    `state` is the delivery's next one, `delay_s` the wait if that is pending. `health` is 1 where the receiver proved
    well, -1 where it did not, 0 where the attempt says nothing about it. `pause_s` rests the whole lane.
    """

    tenant_id: UUID
    id: UUID
    lease_token: UUID
    state: str
    delay_s: float
    health: int
    pause_s: float
    started_at: datetime
    status: int | None
    error: str | None
    duration_ms: int
    remote_ip: str | None
    response_head: bytes | None
    timings: str


_as_row = attrgetter(*(name for name in Attempt.__slots__))


@dataclass(frozen=True, slots=True)
class Finished:
    """A delivery whose attempt was recorded, and how its lane fares since."""

    tenant_id: UUID
    id: UUID
    lane_id: UUID
    organization_id: UUID
    type: str
    state: str
    failures: int
    failing_since: datetime | None


_LOCK_DUE = """
select tenant_id, id from baton.lane where next_due_at <= now() and (profile = 'page' or not $2)
order by profile = 'page' desc, served_at limit $1 for no key update skip locked
"""
_LOCK = """
select tenant_id, id from baton.lane
where (tenant_id, id) in (select * from unnest($1::uuid[], $2::uuid[]))
order by tenant_id, id for no key update
"""
_LOCK_LOST = """
select tenant_id, id from baton.lane
where (tenant_id, id) in (
  select tenant_id, lane_id from baton.delivery where state = 'leased' and lease_until < now() limit 1000
)
order by tenant_id, id for no key update skip locked
"""

# What a lane may deliver next. In the order of leads a delivery waits for every earlier one of its lead; two look-ups,
# so that each uses the partial index of its state.
_READY = """
d.tenant_id = l.tenant_id and d.lane_id = l.id and d.state = 'pending'
and not l.suspended and (not l.parked or d.type = 'endpoint.test')
and (l.ordering <> 'lead' or d.lead_id is null or not (
  exists (select from baton.delivery as e where e.state = 'pending' and e.tenant_id = d.tenant_id
    and e.lane_id = d.lane_id and e.lead_id = d.lead_id and e.sequence < d.sequence)
  or exists (select from baton.delivery as e where e.state = 'leased' and e.tenant_id = d.tenant_id
    and e.lane_id = d.lane_id and e.lead_id = d.lead_id and e.sequence < d.sequence)))
"""
# `next` is null while as many are under way as may be: whoever finishes one reckons anew.
_TAKE = f"""
with held as (
  select tenant_id, lane_id, count(*)::int as n from baton.delivery where state = 'leased' group by tenant_id, lane_id
), lane as (
  select l.tenant_id, l.id, l.profile, l.parked, l.suspended, l.open_until, coalesce(e.ordering, 'none') as ordering,
    coalesce(held.n, 0) as held, case when l.open_until is null then {IN_FLIGHT} else 1 end as bound,
    make_interval(secs => 60.0 / e.rate) as spacing, l.served_at + make_interval(secs => 60.0 / e.rate) as rated_at,
    greatest(0, least($3::int, case when l.open_until > now() then 0 else
      case when l.open_until is null then {IN_FLIGHT} else 1 end - coalesce(held.n, 0) end,
      floor(least({IN_FLIGHT}, extract(epoch from now() - l.served_at) * e.rate / 60.0))::int)) as room
  from unnest($1::uuid[], $2::uuid[]) as k (tenant_id, id)
  join baton.lane as l using (tenant_id, id)
  left join baton.endpoint as e using (tenant_id, id)
  left join held on held.tenant_id = l.tenant_id and held.lane_id = l.id
), picked as (
  select d.tenant_id, d.id, d.lane_id from lane as l cross join lateral (
    select d.tenant_id, d.id, d.lane_id from baton.delivery as d
    where {_READY} and d.due_at <= now()
    order by d.due_at, d.sequence limit l.room for no key update skip locked
  ) as d
  limit $3
), leased as (
  update baton.delivery as d set state = 'leased', lease_token = gen_random_uuid(), attempts = d.attempts + 1,
    lease_until = now() + interval '{LEASE_S} s'
  from picked where d.tenant_id = picked.tenant_id and d.id = picked.id
  returning d.tenant_id, d.id, d.lane_id, d.organization_id, d.message_id, d.type, d.body, d.attempts, d.lease_token
), following as (
  select l.tenant_id, l.id, coalesce(p.n, 0) as taken, case
    when l.held + coalesce(p.n, 0) >= l.bound then null
    else (
      select greatest(d.due_at, l.open_until, case when coalesce(p.n, 0) > 0 then now() + l.spacing else l.rated_at end)
      from baton.delivery as d
      where {_READY} and not exists (select from picked where picked.tenant_id = d.tenant_id and picked.id = d.id)
      order by d.due_at limit 1
    ) end as next
  from lane as l
  left join (select tenant_id, lane_id, count(*)::int as n from picked group by tenant_id, lane_id) as p
    on p.tenant_id = l.tenant_id and p.lane_id = l.id
), reckoned as (
  update baton.lane as l
  set next_due_at = f.next, served_at = case when f.taken > 0 then now() else l.served_at end
  from following as f
  where l.tenant_id = f.tenant_id and l.id = f.id and (f.taken > 0 or l.next_due_at is distinct from f.next)
)
select d.*, lane.profile, e.url, e.signature, e.secret,
  case when e.previous_until > now() then e.previous_secret end as previous_secret, t.kind, t.config
from leased as d
join lane on lane.tenant_id = d.tenant_id and lane.id = d.lane_id
left join baton.endpoint as e on e.tenant_id = d.tenant_id and e.id = d.lane_id
left join baton.destination as t on t.tenant_id = d.tenant_id and t.id = d.lane_id
"""  # noqa: S608 - only constants of this module are put in

_FINISH = f"""
with given as (
  select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::float8[], $6::int[], $7::float8[],
    $8::timestamptz[], $9::int[], $10::text[], $11::int[], $12::text[], $13::bytea[], $14::text[]) with ordinality
  as g (tenant_id, id, token, state, delay_s, health, pause_s, started_at, status, error, duration_ms, remote_ip,
    response_head, timings, n)
), done as (
  update baton.delivery as d
  set state = g.state, lease_token = null, lease_until = null,
    due_at = case when g.state = 'pending' then now() + make_interval(secs => g.delay_s) else d.due_at end,
    finished_at = case when g.state = 'pending' then null else now() end
  from given as g
  where d.tenant_id = g.tenant_id and d.id = g.id and d.lease_token = g.token and d.state = 'leased'
  returning d.tenant_id, d.id, d.lane_id, d.organization_id, d.type, d.state, d.attempts, g.n, g.health, g.pause_s,
    g.started_at, g.status, g.error, g.duration_ms, g.remote_ip, g.response_head, g.timings
), logged as (
  insert into baton.attempt (tenant_id, delivery_id, organization_id, n, day, started_at, status, error, duration_ms,
    remote_ip, response_head, timings)
  select tenant_id, id, organization_id, attempts, current_date, started_at, status, error, duration_ms, remote_ip,
    response_head, timings::jsonb
  from done
), ranked as (
  select tenant_id, lane_id, n, health, pause_s,
    coalesce(max(n) filter (where health > 0) over (partition by tenant_id, lane_id), 0) as well
  from done
), fared as (
  select tenant_id, lane_id, max(well) > 0 as well, max(pause_s) as pause_s,
    count(*) filter (where health < 0 and n > well)::int as failed
  from ranked group by tenant_id, lane_id
), lane as (
  select l.tenant_id, l.id, f.failed, f.pause_s, f.well,
    case when f.well then f.failed else l.failures + f.failed end as failures,
    case when f.well then null else l.failing_since end as since
  from fared as f join baton.lane as l on l.tenant_id = f.tenant_id and l.id = f.lane_id
), kept as (
  update baton.lane as l
  set failures = n.failures, failing_since = case when n.failures = 0 then null else coalesce(n.since, now()) end,
    open_until = case
      when n.pause_s > 0 then now() + make_interval(secs => n.pause_s)
      when n.failed = 0 and n.well then null
      when n.failed > 0 and n.failures >= {BREAKER_AFTER} and l.profile = 'feed' then
        now() + make_interval(secs => least(300, 30 * 2 ^ least(n.failures - {BREAKER_AFTER}, 10)))
      else l.open_until end
  from lane as n where l.tenant_id = n.tenant_id and l.id = n.id
  returning l.tenant_id, l.id, l.failures, l.failing_since
)
select d.tenant_id, d.id, d.lane_id, d.organization_id, d.type, d.state, kept.failures, kept.failing_since
from done as d join kept on kept.tenant_id = d.tenant_id and kept.id = d.lane_id
"""  # noqa: S608 - only constants of this module are put in

_REAP = f"""
with lost as (
  update baton.delivery as d
  set lease_token = null, lease_until = null, due_at = now(),
    state = case when d.attempts % {ROUND} >= {LOST_LIMIT} then 'failed' else 'pending' end,
    finished_at = case when d.attempts % {ROUND} >= {LOST_LIMIT} then now() end
  where d.state = 'leased' and d.lease_until < now()
    and (d.tenant_id, d.lane_id) in (select * from unnest($1::uuid[], $2::uuid[]))
  returning d.tenant_id, d.id, d.organization_id, d.attempts
)
insert into baton.attempt (tenant_id, delivery_id, organization_id, n, day, started_at, error)
select tenant_id, id, organization_id, attempts, current_date, now() - interval '{LEASE_S} s', 'worker_lost' from lost
"""  # noqa: S608 - only constants of this module are put in


async def lock_due(tx: Transaction, limit: int, *, pages_only: bool) -> list[LaneKey]:
    """Lock up to `limit` lanes that are due, pages first, then the least recently served; held ones are skipped."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch(_LOCK_DUE, limit, pages_only)]


async def lock(tx: Transaction, lanes: Sequence[LaneKey]) -> None:
    """Lock these lanes in key order."""
    await tx.fetch(_LOCK, *_columns(lanes, 2))


async def lock_lost(tx: Transaction) -> list[LaneKey]:
    """Lock the lanes that have deliveries whose lease ran out."""
    return [(row["tenant_id"], row["id"]) for row in await tx.fetch(_LOCK_LOST)]


async def take(tx: Transaction, lanes: Sequence[LaneKey], limit: int) -> list[Job]:
    """Lease up to `limit` due deliveries of these locked lanes, and reckon when each lane is due next."""
    return [Job(**row) for row in await tx.fetch(_TAKE, *_columns(lanes, 2), limit)]


async def finish(tx: Transaction, attempts: Sequence[Attempt]) -> list[Finished]:
    """Record attempts of locked lanes and what follows; those whose lease another has by now are left out."""
    rows = await tx.fetch(_FINISH, *_columns([_as_row(attempt) for attempt in attempts], 14))
    return [Finished(**row) for row in rows]


async def reap(tx: Transaction, lanes: Sequence[LaneKey]) -> None:
    """Return what was leased to lost workers in these locked lanes to its queue; each loss is an attempt."""
    await tx.execute(_REAP, *_columns(lanes, 2))


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the parallel arrays that `unnest` takes."""
    return [[row[n] for row in rows] for n in range(width)]
