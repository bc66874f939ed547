"""The database's logins alone, without the application: what each tries on every table, and what must come of it.

Whose rows are hidden from a login and which it must not write is said here in SQL, a second time and apart from the
policies. A blind UPDATE or DELETE, without WHERE and without a look at a column, meets the policy of its own verb only:
any look at a row would be stopped by the policy of SELECT before.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg

from app.db.session import Identity, Login, Transaction
from app.domain.ids import Prefix, read
from tests.isolation.population import Population
from tests.world import World

_OF_ORGANIZATION: Final = {"endpoint", "lane", "delivery", "attempt", "feed", "assignment", "annotation"}
_ACROSS_TENANTS: Final = {
    "ratification", "adjudication", "feed", "feed_counter", "idempotency", "clock", "escalation", "endpoint",
    "destination", "lane", "delivery", "attempt", "outbox", "playbook_review", "permit", "suspension",
}  # fmt: skip
"""What the workers take from all tenants: their queues, and what deliveries go to."""
_MINE: Final = "(select e.program_id from baton.enrolment e where e.partner_id = '{own}')"
_OF_PLAYBOOK: Final = f"playbook_id not in (select p.id from baton.playbook p where p.program_id in {_MINE})"
_NOT_SAID_BY: Final = "organization_id is distinct from '{own}'"

_OF_OTHERS_CLIENT: Final = "client_id not in (select c.id from baton.client c where c.organization_id = '{own}')"
_SELF_MANAGED: Final = "client_id in (select c.id from baton.client c where c.self_managed)"
_LIVE_LEAD: Final = "lead_id not in (select l.id from baton.lead l where l.test)"
_CLOSED: Final = ("feed_counter", "signing_key", "revoked_token", "playbook_review", "permit", "spent_assertion")
"""Tables that only the token endpoint and the workers know."""
_FLAGGED: Final = ("lead", "event", "outbox", "feed", "clock", "escalation", "endpoint", "delivery", "lead_import")
_OF_LIVE: Final = {
    **dict.fromkeys(_FLAGGED, "not test"),
    "call_count": "true",
    "handover_step": f"handover_id in (select h.id from baton.handover h where {_LIVE_LEAD})",
    "lead_import_row": "import_id in (select i.id from baton.lead_import i where not i.test)",
    "claim_key": f"claim_id in (select j.claim_id from baton.claimed_lead j where {_LIVE_LEAD})",
    "claim": f"id in (select j.claim_id from baton.claimed_lead j where {_LIVE_LEAD})",
    "lane": "id not in (select p.id from baton.endpoint p where p.test)",
    "attempt": "delivery_id in (select d.id from baton.delivery d where not d.test)",
}
"""What a test client must not see; of tables that name a lead all of real ones."""

_HIDDEN_FROM_PARTNER: Final = {
    "organization": "id not in ('{own}', '{tenant}')",
    "program": f"id not in {_MINE}",
    "playbook": f"program_id not in {_MINE}",
    "agreement": "organization_id not in ('{own}', '{tenant}')",
    "declination": "organization_id not in ('{own}', '{tenant}')",
    "ratification": _OF_PLAYBOOK,
    "calendar": "false",
    "client_secret": _OF_OTHERS_CLIENT,
    "note": "partner_id <> '{own}' or (visibility <> 'shared' and organization_id <> '{own}')",
    "event": "partner_id <> '{own}' or sides = 'internal'",
    "idempotency": "client_id <> '{client}'",
    "adjudication": f"partner_id <> '{{own}}' or {_LIVE_LEAD}",
    **dict.fromkeys(("client_key", "client_limit"), _OF_OTHERS_CLIENT),
    **dict.fromkeys((*_CLOSED, "tenant", "destination", "suspension"), "true"),
    **dict.fromkeys(("client", "invitation", "organization_limit", *_OF_ORGANIZATION), _NOT_SAID_BY),
}
_HIDDEN_INSIDE: Final = {
    "note": "visibility <> 'shared' and organization_id <> '{own}'",
    "event": "sides = 'partner'",
    "idempotency": "client_id <> '{client}'",
    "client": "self_managed",
    **dict.fromkeys(("client_secret", "client_key"), _SELF_MANAGED),
    **dict.fromkeys((*_CLOSED, "adjudication", "suspension"), "true"),
    **dict.fromkeys(_OF_ORGANIZATION, _NOT_SAID_BY),
}
_OTHERS_WORDS: Final = {
    "agreement": _NOT_SAID_BY,
    "declination": _NOT_SAID_BY,
    "playbook": "proposed_by is distinct from '{own}' or status <> 'proposed'",
}
"""What a login may read and must not write: what others have said, and versions that are past a proposal."""
_BORN_WITH_LEAD: Final = {"ownership", "contact", "annotation", "handover"}
"""One statement writes these with their lead, which no policy sees yet: that the lead is a test is the application's."""
_READ_APART: Final = {"event", "adjudication"}
"""What a login writes there may lie beyond what it reads: the other side's events, and the queue."""
_NEVER_BY_PARTNER: Final = {
    "lead": "writer_id <> '{own}'",
    "client": "not self_managed",
    "escalation": "not test",
    "feedback": _LIVE_LEAD,
}
_BLIND: Final = "select count(*) from baton.{table} t where not coalesce({hidden}, true)"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the columns that may be written, those that hold ids, and one that can be set for all rows."""

    name: str
    columns: tuple[str, ...]
    uuids: frozenset[str]
    blanks: tuple[tuple[str, str], ...]
    """Columns with a value that all rows may have at once."""


@dataclass(frozen=True, slots=True)
class Intruder:
    """A login with the identity that a request, or a worker at its work for one tenant, binds it to."""

    name: str
    login: Login
    tenant: UUID
    own: UUID | None
    client: UUID | None
    test: bool = False

    @property
    def identity(self) -> Identity:
        return Identity(self.login, self.tenant, self.own, self.client, self.test)

    def hidden(self, table: Table) -> str:
        """Return the SQL condition of the rows that this login must not see, change or remove."""
        if self.login is Login.WORKER and table.name in _ACROSS_TENANTS:
            return "false"
        told = {Login.PARTNER: _HIDDEN_FROM_PARTNER, Login.INTERNAL: _HIDDEN_INSIDE}.get(self.login, {})
        usual = "partner_id is distinct from '{own}'" if self.login is Login.PARTNER else "false"
        rule = told.get(table.name, usual if "partner_id" in table.columns else "false")
        hidden = self._within(table, rule)
        live = _OF_LIVE.get(table.name, _LIVE_LEAD if "lead_id" in table.columns else "false") if self.test else "false"
        return f"({hidden} or {live})" if live != "false" else hidden

    def unwritable(self, table: Table) -> str:
        """Return the SQL condition of the rows that this login must not write, were they new."""
        if self.test and table.name in _BORN_WITH_LEAD:
            return replace(self, test=False).unwritable(table)
        hidden = self.hidden(table)
        if table.name in _READ_APART and (self.login is not Login.WORKER or table.name == "event"):
            apart = "partner_id <> '{own}'" if self.login is Login.PARTNER else "false"
            return self._within(table, apart)
        if table.name == "suspension":
            return self._within(table, "true" if self.login is Login.PARTNER else "false")
        if table.name in _NEVER_BY_PARTNER and self.login is Login.PARTNER:
            return f"({hidden} or {self._filled(_NEVER_BY_PARTNER[table.name])})"
        if self.login is Login.WORKER:
            return self._within(table, "false") if table.name == "playbook_review" else hidden
        told = _OTHERS_WORDS.get(table.name)
        return f"({hidden} or {self._filled(told)})" if told else hidden

    def _within(self, table: Table, rule: str) -> str:
        rule = self._filled(rule)
        return f"(tenant_id <> '{self.tenant}' or {rule})" if "tenant_id" in table.columns else f"({rule})"

    def _filled(self, rule: str) -> str:
        return "(" + rule.format(own=self.own, tenant=self.tenant, client=self.client) + ")"


def _known(prefix: Prefix, text: str) -> UUID:
    found = read(prefix, text)
    assert found is not None
    return found


async def intruders(people: Population) -> tuple[Intruder, ...]:
    """Return partner B, the tenant's own organisation, and a worker at work for that tenant."""
    world = people.world
    b = _known(Prefix.ORGANIZATION, people.objects["b"]["partner"])
    tenant = await world.admin.fetchval("select tenant_id from baton.organization where id = $1", b)
    of_b, inside = (_known(Prefix.CLIENT, world.clients[who]["client_id"]) for who in ("b_all", "i_all"))
    return (
        Intruder("partner B", Login.PARTNER, tenant, b, of_b),
        Intruder("test client of B", Login.PARTNER, tenant, b, of_b, test=True),
        Intruder("inside", Login.INTERNAL, tenant, tenant, inside),
        Intruder("test client inside", Login.INTERNAL, tenant, tenant, inside, test=True),
        Intruder("worker", Login.WORKER, tenant, None, None),
    )


_CATALOGUE: Final = """
select c.relname::text as name, array_agg(a.attname::text order by a.attnum) filter (where a.attidentity = '') as columns,
  coalesce(array_agg(a.attname::text) filter (where a.atttypid = 'uuid'::regtype), '{}') as uuids,
  array_agg(a.attname::text order by a.atttypid = 'timestamptz'::regtype desc, a.attnum desc)
    filter (where a.attidentity = '') as settable
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and c.relname not in ('alembic_version', 'test_clock') and a.attnum > 0 and not a.attisdropped
group by 1 order by 1
"""


async def catalogue(world: World) -> dict[str, Table]:
    """Return every table by its name."""
    found: dict[str, Table] = {}
    for row in await world.admin.fetch(_CATALOGUE):
        blanks = await _blanks(world.admin, row["name"], row["settable"])
        found[row["name"]] = Table(row["name"], tuple(row["columns"]), frozenset(row["uuids"]), blanks)
    return found


async def _blanks(admin: asyncpg.Connection, table: str, columns: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return the columns that all rows of a table can be given one value of, as the superuser finds by trying."""
    found: list[tuple[str, str]] = []
    for column in columns:
        value = await admin.fetchval(f"select {column}::text from baton.{table} where {column} is not null limit 1")
        value = _AFTERWARDS.get((table, column), value)
        attempt = admin.transaction()
        await attempt.start()
        try:
            await admin.execute("set constraints all deferred")
            await admin.execute(f"update baton.{table} set {column} = {_quoted(value)}")
            found.append((column, _quoted(value)))
        except asyncpg.PostgresError:
            continue
        finally:
            await attempt.rollback()
    return tuple(found)


_AFTERWARDS: Final = {("playbook", "status"): "declined"}
"""What a login may set a column to, where that is not any value that stands there."""


def _quoted(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


async def outcome(tx: Transaction, statement: str, *args: object) -> tuple[str, str]:
    """Return how the database answers a statement inside its own savepoint: its command tag, or (SQLSTATE, detail)."""
    await tx.execute("savepoint probe")
    try:
        await tx.execute("set constraints all deferred")
        return "done", await tx.execute(statement, *args)
    except asyncpg.PostgresError as error:
        return str(error.sqlstate), str(error)
    finally:
        await tx.execute("rollback to savepoint probe")


_DENIED: Final = "42501"
_ROWS: Final = 5


async def faults(world: World, intruder: Intruder, table: Table) -> list[str]:
    """Try everything on one table; return what a login could do that it must not."""
    hidden, name = intruder.hidden(table), table.name
    allowed = await world.admin.fetchval(_BLIND.format(table=name, hidden=hidden))
    found: list[str] = []
    async with world.database.begin(intruder.identity) as tx:
        seen = await outcome(tx, f"select from baton.{name}")
        attempts = {"select": seen, "delete": await outcome(tx, f"delete from baton.{name}")}
        if blank := await _settable(world, intruder, table):
            attempts["update"] = await outcome(tx, f"update baton.{name} set {blank[0]} = {blank[1]}")
            if attempts["update"][0] == _DENIED:
                found.append(f"{intruder.name} met rows of others when it updated its own of {name}")
        for verb, (state, tag) in attempts.items():
            if state == "done" and int(tag.split()[-1]) > allowed:
                found.append(
                    f"{intruder.name} could {verb} {tag.split()[-1]} rows of {name}, of which {allowed} are its"
                )
        found += await _written(world, tx, intruder, table)
        found += await _moved(world, tx, intruder, table)
    return found


async def _settable(world: World, intruder: Intruder, table: Table) -> tuple[str, str] | None:
    """Return a column that the login may set for all of its rows, and the value."""
    if table.name == "client" and intruder.login is Login.PARTNER:
        return "self_managed", "true"  # what a partner touches, it manages
    asked = "select has_column_privilege($1, $2, $3, 'update')"
    for column, value in table.blanks:
        whose = column in _OWNERS or column == "id"
        if not whose and await world.admin.fetchval(asked, intruder.login.user, f"baton.{table.name}", column):
            return column, value
    return None


async def _written(world: World, tx: Transaction, intruder: Intruder, table: Table) -> list[str]:
    """Try to insert what looks like rows that are not the intruder's to write."""
    rows = await _samples(world, table, intruder.unwritable(table))
    names = ", ".join(table.columns)
    statement = f"insert into baton.{table.name} ({names}) select {names} from jsonb_populate_record(null::baton.{table.name}, $1)"
    found: list[str] = []
    for row in rows:
        renewed = {"id": str(uuid4())} if "id" in table.uuids else {}
        state, said = await outcome(tx, statement, json.dumps({**row, **renewed}))
        if state != _DENIED:
            found.append(f"{intruder.name} could insert a row of others into {table.name}: {state} {said}")
    return found


async def _moved(world: World, tx: Transaction, intruder: Intruder, table: Table) -> list[str]:
    """Try to make rows of the intruder's own into such as it must not write, one column of theirs after the other."""
    rows = await _samples(world, table, intruder.unwritable(table))
    found: list[str] = []
    if table.name == "playbook":
        state, said = await outcome(tx, "update baton.playbook set status = 'in_force'")
        if intruder.login is not Login.WORKER and state != _DENIED and said != "UPDATE 0":
            found.append(f"{intruder.name} could put a playbook in force: {state} {said}")
    telling = {column for column in table.columns if re.search(rf"\b{column}\b", intruder.unwritable(table))}
    for column in sorted(telling & _OWNERS):
        for value in sorted({str(row[column]) for row in rows if row[column] is not None}):
            if value in {str(intruder.tenant), str(intruder.own), str(intruder.client)}:
                continue
            state, said = await outcome(tx, f"update baton.{table.name} set {column} = {_quoted(value)}")
            if state != _DENIED and said != "UPDATE 0":
                found.append(f"{intruder.name} could set {column} of its rows of {table.name}: {state} {said}")
    return found


_OWNERS: Final = {"tenant_id", "partner_id", "organization_id", "client_id", "writer_id", "proposed_by"}


async def _samples(world: World, table: Table, condition: str) -> list[Mapping[str, Any]]:
    statement = (
        f"select to_jsonb(t)::text as row from baton.{table.name} t where {condition} order by random() limit {_ROWS}"
    )
    return [json.loads(row["row"]) for row in await world.admin.fetch(statement)]
