"""The database itself keeps the chain of owners: whatever a login writes, a lead with a hole in it cannot be committed."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

import asyncpg
import pytest

from app.db.session import Identity, Login
from app.domain.ids import Prefix, read
from app.security.keyring import MasterKeys
from tests.world import World, a_world

pytestmark = pytest.mark.database

_LINK: Final = """
insert into baton.ownership (tenant_id, partner_id, lead_id, n, after_n, organization_id, role, from_at, until_at)
select tenant_id, partner_id, lead_id, {n}, {after}, organization_id, role, {start}, {end}
from baton.ownership where lead_id = $1 and n = 1
"""
_CLOSE: Final = "update baton.ownership set until_at = now() where lead_id = $1 and n = 1"
_POINT: Final = "update baton.lead set owner_n = {n} where id = $1"

_UNOWNED: Final = """
insert into baton.lead select (jsonb_populate_record(l, '{"id": "00000000-0000-4000-8000-000000000000",
  "external_id": "none"}')).* from baton.lead l where id = $1
"""


def link(n: int, *, after: int | None = None, start: str = "now()", end: str = "'infinity'") -> str:
    return _LINK.format(n=n, after="null" if after is None else after, start=start, end=end)


PASSED_ON: Final = (_CLOSE, link(2, after=1), _POINT.format(n=2))

BROKEN: Final = {
    "a gap between two owners": (_CLOSE, link(2, after=1, start="now() + interval '1 second'"), _POINT.format(n=2)),
    "an overlap of two owners": (_CLOSE, link(2, after=1, start="now() - interval '1 second'"), _POINT.format(n=2)),
    "closing without a successor": (_CLOSE,),
    "closing without a successor, the lead pointing at none": (_CLOSE, _POINT.format(n=2)),
    "a successor that the lead does not point at": (_CLOSE, link(2, after=1)),
    "a successor that ends at once": (_CLOSE, link(2, after=1, end="now() + interval '1 hour'"), _POINT.format(n=2)),
    "a second current owner": (link(2, after=1),),
    "a link that follows none": (_CLOSE, link(3, after=2), _POINT.format(n=3)),
    "a number that was skipped": (_CLOSE, link(3, after=1), _POINT.format(n=3)),
    "a later link that claims to be the first": (_CLOSE, link(2), _POINT.format(n=2)),
    "an owner that ends before it began": (
        "update baton.ownership set until_at = from_at - interval '1 second' where lead_id = $1 and n = 1",
    ),
    "a lead that no longer asks for a current owner": ("update baton.lead set owner_until = now() where id = $1",),
    "a lead without an owner": ("update baton.lead set owner_n = null where id = $1",),
    "a lead that no link leads to": (_UNOWNED,),
}
"""What a login writes in one transaction; each has to fail, at the latest with its COMMIT."""

_AT_COMMIT: Final = {
    "a gap between two owners", "an overlap of two owners", "closing without a successor",
    "closing without a successor, the lead pointing at none", "a successor that the lead does not point at",
    "a link that follows none",
}  # fmt: skip


@pytest.fixture(scope="module")
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


async def opened(world: World, external_id: str) -> UUID:
    found = read(Prefix.LEAD, (await world.open_lead(external_id))["id"])
    assert found is not None
    return found


@pytest.fixture(scope="module")
async def lead(world: World) -> UUID:
    """One lead for all writes that fail: they leave no trace."""
    return await opened(world, "A-BROKEN")


async def identity(world: World, login: Login, lead: UUID) -> Identity:
    row = await world.admin.fetchrow("select tenant_id, partner_id from baton.lead where id = $1", lead)
    organization = row["partner_id"] if login is Login.PARTNER else row["tenant_id"]
    return Identity(login, row["tenant_id"], None if login is Login.WORKER else organization)


async def chain(world: World, lead: UUID) -> list[asyncpg.Record]:
    return await world.admin.fetch("select * from baton.ownership where lead_id = $1 order by n", lead)


@pytest.mark.parametrize("login", [Login.PARTNER, Login.INTERNAL, Login.WORKER])
async def test_an_owner_with_a_successor_is_committed(world: World, login: Login) -> None:
    lead = await opened(world, f"A-{login}")
    async with world.database.begin(await identity(world, login, lead)) as tx:
        for statement in PASSED_ON:
            await tx.execute(statement, lead)
    links = await chain(world, lead)
    assert [row["n"] for row in links] == [1, 2]
    assert links[0]["until_at"] == links[1]["from_at"]


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("login", [Login.PARTNER, Login.INTERNAL, Login.WORKER])
async def test_a_broken_chain_is_not_committed(world: World, lead: UUID, login: Login, what: str) -> None:
    before = await chain(world, lead)
    written: list[str] = []

    async def write() -> None:
        async with world.database.begin(await identity(world, login, lead)) as tx:
            for statement in BROKEN[what]:
                await tx.execute(statement, lead)
                written.append(statement)

    expected = asyncpg.ForeignKeyViolationError if what in _AT_COMMIT else asyncpg.PostgresError
    with pytest.raises(expected):
        await write()
    assert len(written) == len(BROKEN[what]) or what not in _AT_COMMIT
    assert await chain(world, lead) == before


async def test_no_login_may_remove_a_link(world: World, lead: UUID) -> None:
    for login in Login:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.database.begin(await identity(world, login, lead)) as tx:
                await tx.execute("delete from baton.ownership where lead_id = $1", lead)
