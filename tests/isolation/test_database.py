"""The second lock: partner B's database login alone, without the application, against every row of others."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.session import Identity, Login, Transaction
from app.domain.ids import Prefix, read
from tests.isolation.population import Population
from tests.world import World

pytestmark = pytest.mark.database

_OTHERS_OF: Final = {
    "organization": "id not in ('{b}', '{tenant}')",
    "program": "id not in (select program_id from mine)",
    "playbook": "program_id not in (select program_id from mine)",
    "agreement": "organization_id not in ('{b}', '{tenant}')",
    "declination": "organization_id not in ('{b}', '{tenant}')",
    "ratification": "playbook_id not in (select p.id from baton.playbook p join mine using (program_id))",
    "calendar": "false",
    "client_secret": "client_id not in (select id from baton.client where organization_id = '{b}')",
    "feed_counter": "true",
    "claim_key": "partner_id <> '{b}'",
    "signing_key": "true",
    "revoked_token": "true",
    "test_clock": "false",
    "tenant": "true",
    "destination": "true",
    "playbook_review": "true",
    "permit": "true",
}
"""Whose rows of a table that has no partner's or organisation's column are not B's."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Tables with the columns that may be written, in their order."""

    columns: Mapping[str, tuple[str, ...]]
    uuids: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Intruder:
    """Partner B as its login sees itself."""

    tenant: UUID
    organization: UUID
    client: UUID

    @property
    def identity(self) -> Identity:
        return Identity(Login.PARTNER, self.tenant, self.organization, self.client)

    def others(self, table: str, columns: tuple[str, ...]) -> str:
        """Return the SQL condition of the rows that are not B's."""
        if table in _OTHERS_OF:
            own = _OTHERS_OF[table].format(b=self.organization, tenant=self.tenant)
        elif "partner_id" in columns:
            own = f"(partner_id is distinct from '{self.organization}')"
        elif "organization_id" in columns:
            own = f"organization_id <> '{self.organization}'"
        elif "client_id" in columns:
            own = f"client_id not in (select id from baton.client where organization_id = '{self.organization}')"
        else:
            pytest.fail(f"say in _OTHERS_OF whose rows of {table} are not B's")
        return f"(tenant_id <> '{self.tenant}' or {own})" if "tenant_id" in columns else own


def known(prefix: Prefix, text: str) -> UUID:
    found = read(prefix, text)
    assert found is not None
    return found


@pytest.fixture(scope="module")
async def b(people: Population) -> Intruder:
    objects = people.objects["b"]
    organization = known(Prefix.ORGANIZATION, objects["partner"])
    tenant = await people.world.admin.fetchval("select tenant_id from baton.organization where id = $1", organization)
    return Intruder(tenant, organization, known(Prefix.CLIENT, people.world.clients["b_all"]["client_id"]))


@pytest.fixture(scope="module")
async def catalogue(people: Population) -> Catalogue:
    rows = await people.world.admin.fetch(
        "select c.relname::text as name, a.attname::text as attribute, a.atttypid = 'uuid'::regtype as is_uuid,"
        " a.attidentity <> '' as drawn from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
        " and c.relname <> 'alembic_version' and a.attnum > 0 and not a.attisdropped order by 1, a.attnum"
    )
    columns: dict[str, tuple[str, ...]] = {}
    uuids: dict[str, frozenset[str]] = {}
    for row in rows:
        if not row["drawn"]:
            columns[row["name"]] = (*columns.get(row["name"], ()), row["attribute"])
        if row["is_uuid"]:
            uuids[row["name"]] = uuids.get(row["name"], frozenset()) | {row["attribute"]}
    return Catalogue(columns, uuids)


_MINE: Final = "with mine as (select program_id from baton.enrolment where partner_id = '{b}')"


async def others_rows(world: World, b: Intruder, table: str, columns: tuple[str, ...]) -> list[asyncpg.Record]:
    """Return rows that are not B's, as the superuser sees them."""
    mine = _MINE.format(b=b.organization)
    condition = b.others(table, columns)
    ours = f"tenant_id = '{b.tenant}'" if "tenant_id" in columns else "true"
    return await world.admin.fetch(
        f"{mine} select to_jsonb(t)::text as row from baton.{table} t where {condition} order by not {ours}"
    )


async def outcome(tx: Transaction, statement: str, *args: object) -> tuple[str, str]:
    """Return how the database answers a statement inside its own savepoint, deferred constraints included."""
    await tx.execute("savepoint probe")
    try:
        await tx.execute("set constraints all deferred")
        done = await tx.execute(statement, *args)
        await tx.execute("set constraints all immediate")
    except asyncpg.PostgresError as error:
        return str(error.sqlstate), str(getattr(error, "constraint_name", "") or "")
    else:
        return "done", done
    finally:
        await tx.execute("rollback to savepoint probe")


_REFUSED: Final = ("42501", "")
_ROWS: Final = 12
"""How many rows of others of each table are tried, those of B's own tenant first."""


_UNGUESSABLE: Final = {"client_pkey", "delivery_pkey", "endpoint_pkey", "event_pkey", "lane_pkey"}
"""Keys that hold a random id of 122 bits and so tell only whoever knows it already that it is taken."""


async def test_no_row_of_others_is_seen_changed_or_removed(
    people: Population, b: Intruder, catalogue: Catalogue
) -> None:
    world, wrong, tried = people.world, [], 0
    for table, columns in catalogue.columns.items():
        there = len(await others_rows(world, b, table, columns))
        tried += there > 0
        condition = b.others(table, columns)
        mine, first = _MINE.format(b=b.organization), columns[0]
        async with world.database.begin(b.identity) as tx:
            seen = await outcome(tx, f"{mine} select from baton.{table} t where {condition}")
            changed = await outcome(tx, f"{mine} update baton.{table} set {first} = {first} where {condition}")
            removed = await outcome(tx, f"{mine} delete from baton.{table} where {condition}")
        for verb, found in (("select", seen), ("update", changed), ("delete", removed)):
            if found not in {_REFUSED, ("done", "SELECT 0"), ("done", "UPDATE 0"), ("done", "DELETE 0")}:
                wrong.append(f"{verb} {table}: {found}")
    assert wrong == []
    assert tried > 25


async def test_without_an_identity_no_login_of_the_api_sees_a_row(people: Population, catalogue: Catalogue) -> None:
    for login in (Login.PARTNER, Login.INTERNAL):
        async with people.world.database.begin(Identity(login)) as tx:
            for table in catalogue.columns.keys() - {"test_clock"}:
                found = await outcome(tx, f"select from baton.{table}")
                assert found in {_REFUSED, ("done", "SELECT 0")}, (login, table)


async def test_a_row_of_others_cannot_be_written_in_their_name(
    people: Population, b: Intruder, catalogue: Catalogue
) -> None:
    wrong, tried = [], 0
    for table, columns in catalogue.columns.items():
        rows = await others_rows(people.world, b, table, columns)
        async with people.world.database.begin(b.identity) as tx:
            for row in rows[:_ROWS]:
                document = _renewed(row["row"], catalogue.uuids.get(table, frozenset()) & {"id"})
                found = await outcome(tx, _insert(table, columns), document)
                tried += 1
                if found[0] != "42501":
                    wrong.append(f"{table}: {found}")
    assert sorted(set(wrong)) == []
    assert tried > 40


def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"insert into baton.{table} ({names}) select {names} from jsonb_populate_record(null::baton.{table}, $1)"


def _renewed(row: str, names: frozenset[str]) -> str:
    document = json.loads(row)
    return json.dumps({**document, **{name: str(uuid4()) for name in names}})


_OWNER_COLUMNS: Final = (
    "partner_id", "organization_id", "writer_id", "owner_organization_id", "from_organization_id", "to_organization_id",
    "owed_organization_id", "waiting_organization_id",
)  # fmt: skip
_PUBLIC_TO_B: Final = {"tenant_id", "program_id", "playbook_id", "calendar_id"}


@pytest.mark.parametrize("own", ["all organisations are B", "only partner_id is B"])
async def test_what_b_writes_about_an_object_of_others_is_answered_as_about_none(
    people: Population, b: Intruder, catalogue: Catalogue, own: str
) -> None:
    wrong, tried = [], 0
    for table, columns in catalogue.columns.items():
        if not {"partner_id", "organization_id"} & set(columns):
            continue
        mended = {"partner_id"} if own.startswith("only") and "partner_id" in columns else set(_OWNER_COLUMNS)
        rows = await others_rows(people.world, b, table, columns)
        async with people.world.database.begin(b.identity) as tx:
            for row in rows[:_ROWS]:
                document = json.loads(row["row"])
                document |= {name: str(b.organization) for name in mended & document.keys()}
                foreign = await outcome(tx, _insert(table, columns), json.dumps(document))
                swapped = {
                    name: str(uuid4())
                    for name in catalogue.uuids[table] - mended - _PUBLIC_TO_B
                    if document[name] is not None
                }
                unknown = await outcome(tx, _insert(table, columns), json.dumps({**document, **swapped}))
                tried += 1
                if foreign != unknown and foreign[1] not in _UNGUESSABLE:
                    wrong.append(f"{table}: {foreign} is not {unknown}")
    assert sorted(set(wrong)) == []
    assert tried > 40


async def test_external_ids_of_others_cannot_be_probed_by_moving_a_lead(people: Population, b: Intruder) -> None:
    objects = people.objects
    move = "update baton.lead set writer_id = $1, external_id = $2 where id = $3"
    writer, lead = known(Prefix.ORGANIZATION, objects["a"]["partner"]), known(Prefix.LEAD, objects["b"]["lead"])
    async with people.world.database.begin(b.identity) as tx:
        used = await outcome(tx, move, writer, objects["a"]["lead_external"].removeprefix("external:"), lead)
        free = await outcome(tx, move, writer, "nobody-uses-this", lead)
    assert used == free


async def test_a_login_cannot_become_another(people: Population, b: Intruder) -> None:
    for role in ("baton_internal", "baton_worker", "baton_auth", "baton_owner"):
        async with people.world.database.begin(b.identity) as tx:
            assert await outcome(tx, f"set local role {role}") == _REFUSED


async def test_row_security_cannot_be_switched_off(people: Population, b: Intruder) -> None:
    async with people.world.database.begin(b.identity) as tx:
        await tx.execute("set local row_security = off")
        assert await outcome(tx, "select from baton.lead") == _REFUSED


async def test_an_identity_ends_with_its_transaction(people: Population, b: Intruder) -> None:
    async with people.world.database.begin(b.identity) as tx:
        assert await tx.fetchval("select count(*) from baton.lead") > 0
    async with people.world.database.begin(Identity(Login.PARTNER)) as tx:
        assert await tx.fetchval("select count(*) from baton.lead") == 0
