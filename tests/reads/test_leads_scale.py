"""Among ten thousand leads a page reads its own rows and no others."""

import re

from app.db.pages import Wanted
from app.schemas.queries import LeadFilter
from app.security.cursors import CursorSealer
from app.services import leads_list
from tests.reads.world import World

_COPIES = """
with model as (select l as held, l.n, l.created_at, l.partner_id from baton.lead l where id = $1),
copied as (
  insert into baton.lead overriding system value select (jsonb_populate_record(model.held, jsonb_build_object(
    'id', gen_random_uuid(), 'n', model.n + g, 'external_id', 'S-' || g, 'company_key', 'copy' || g,
    'partner_id', case when g % 50 = 0 then model.partner_id else $2::uuid end,
    'created_at', model.created_at - g * interval '1 minute'))).*
  from model, generate_series(1, 10000) g
  returning tenant_id, partner_id, id
)
insert into baton.contact select tenant_id, partner_id, id, '{}' from copied
"""
"""Every fiftieth copy belongs to the partner of the model, the others to another one."""


class Spy:
    """A transaction that keeps what it is asked, so that it can be explained."""

    def __init__(self, tx) -> None:
        self.tx, self.asked = tx, []

    async def fetch(self, sql: str, *args: object):
        self.asked.append((sql, args))
        return await self.tx.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object):
        return await self.tx.fetchrow(sql, *args)


async def plan_of(world: World, by, **asked) -> str:
    async with world.database.transaction(by) as tx:
        spy = Spy(tx)
        await leads_list.leads(spy, by, LeadFilter(**asked), Wanted(50, None, b"", CursorSealer(b"k" * 32)))  # type: ignore[arg-type]
        ((sql, args),) = spy.asked
        return "\n".join(row[0] for row in await tx.fetch(f"explain (analyze, costs off, timing off) {sql}", *args))


async def test_a_page_is_one_statement_that_walks_an_index(world: World):
    by, client = world.actor(world.partner_a), world.actor()
    model = await world.post(by, "S-0", contact={"name": "山田"})
    await world.admin.execute("set session_replication_role = replica")
    await world.admin.execute(_COPIES, model, world.partner_b)
    await world.admin.execute("set session_replication_role = origin")
    await world.admin.execute("analyze baton.lead; analyze baton.contact")
    for caller, index, asked in (
        (by, "lead_created", {}),
        (client, "lead_created_tenant", {}),
        (client, "lead_company", {"q": "copy77"}),
        (client, "lead_company", {"company": "copy 7771"}),
    ):
        plan = await plan_of(world, caller, **asked)
        assert re.search(rf"(using|Bitmap Index Scan on) {index}\b", plan), plan
        rows = [int(n) for n in re.findall(r"rows=(\d+)", plan)]
        assert max(rows) <= 120, plan
