"""Twins: what partner A holds, a second time in the second tenant, under the very same ids.

Ids are random, so in life none occurs twice, and a condition on the tenant beside one on an id changes no answer. But
the keys of the tables allow it, and with twins such a condition shows: without it, somebody is answered by a twin.
"""

import re
from typing import Final

import asyncpg

from app.domain.ids import Prefix, show
from app.seed import PROGRAM
from tests.isolation.logins import catalogue
from tests.isolation.population import Population

_HELD: Final = (
    "lead", "contact", "ownership", "assignment", "annotation", "note", "activity", "claim", "claimed_lead", "handover",
    "handover_step", "outcome", "outcome_response", "feedback", "lead_import", "lead_import_row", "clock", "escalation",
    "consultation", "event", "endpoint", "lane", "delivery", "attempt",
)  # fmt: skip
"""Not those whose ids the tables keep unique over all tenants: clients, and the sequences of a feed."""
_IN_COMMON: Final = """
select t.id as tenant, p.id as partner, g.id as program, g.playbook_id as playbook, g.calendar_id as calendar
from baton.organization t
join baton.organization p on p.tenant_id = t.id and p.kind = 'partner'
join baton.program g on g.tenant_id = t.id and g.key = $1
where t.kind = 'internal' and (p.key = 'partner-a' or not exists (
  select from baton.organization a where a.tenant_id = t.id and a.key = 'partner-a'))
order by p.key = 'partner-a' desc
"""
_MARKS: Final = (("mk-a-shared.", "mk-p2-shared.twin-"), ("mk-a-", "mk-p2-"), ("mk-i-own", "mk-i2-own"))


async def plant(people: Population) -> None:
    """Add the twins of all that partner A holds of the common program."""
    admin = people.world.admin
    a, twin = await admin.fetch(_IN_COMMON, PROGRAM)
    changes = [(str(a[name]), str(twin[name])) for name in ("tenant", "partner", "program", "playbook", "calendar")]
    changes += [
        (show(Prefix.ORGANIZATION, a[name]), show(Prefix.ORGANIZATION, twin[name])) for name in ("tenant", "partner")
    ]
    changes += _MARKS
    tables = await catalogue(people.world)
    await admin.execute("set session_replication_role = replica")
    for name in _HELD:
        owner = "partner_id" if "partner_id" in tables[name].columns else "organization_id"
        await _copy(admin, name, tables[name].columns, f"{owner} = '{a['partner']}'", changes)
    await admin.execute("set session_replication_role = origin")
    kinds = {
        kind: id_ for kind, id_ in people.objects["a"].items() if not re.match("program|playbook|partner|client", kind)
    }
    external = kinds["lead_external"].replace(*_MARKS[0])
    people.objects["twin"] = kinds | {"lead_external": external}


async def _copy(
    admin: asyncpg.Connection, table: str, columns: tuple[str, ...], whose: str, changes: list[tuple[str, str]]
) -> None:
    names = ", ".join(columns)
    into = f"insert into baton.{table} ({names}) select {names} from jsonb_populate_record(null::baton.{table}, $1)"
    for row in await admin.fetch(
        f"select to_jsonb(t)::text as row from baton.{table} t where {whose} order by (to_jsonb(t)->>'n')::bigint"
    ):
        text = row["row"]
        for before, after in changes:
            text = text.replace(before, after)
        await admin.execute(into, text)
