"""Each lock holds alone: the application's conditions without row-level security, and row-level security without them.

In either pass every foreign id is answered as one that names nothing, nothing changes, and everybody is answered what
it is answered with both locks, to the last byte of every body: so it meets no mark of others either. The pass with
both locks is `test_routes`, `test_matrix` and `test_markers`.
"""

import pytest

from tests.isolation.attacks import attacks, launch
from tests.isolation.conditions import conditions, opened, plain
from tests.isolation.marks import Answers, met_by, read_all, reads
from tests.isolation.passes import application_only, database_only, differs_rightly, without_conditions
from tests.isolation.population import MARKERS, Population

OUTSIDERS = ("b_all", "p2_all", "i2_all")


@pytest.fixture(scope="module")
async def answers(people: Population) -> Answers:
    """What everybody is answered with both locks."""
    return await read_all(people, reads(people))


async def test_the_application_holds_without_row_level_security(people: Population, answers: Answers) -> None:
    before = await people.world.tables()
    async with application_only(people.world):
        tried, wrong = await launch(attacks(people, OUTSIDERS, brief=True))
        now = await read_all(people, list(answers))
    assert wrong[:9] == []
    assert tried > 150
    assert [read for read in answers if answers[read] != now[read]][:9] == []
    after = await people.world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_row_level_security_holds_without_the_application(people: Population, answers: Answers) -> None:
    before = await people.world.tables()
    with database_only():
        tried, wrong = await launch(attacks(people, OUTSIDERS, brief=True))
        now = await read_all(people, list(answers))
    assert wrong[:9] == []
    assert tried > 150
    different = [read for read in answers if answers[read] != now[read]]
    assert [read for read in different if not differs_rightly(*read)][:9] == []
    after = await people.world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_with_both_locks_open_the_passes_go_red(people: Population, answers: Answers) -> None:
    """Or the passes would prove nothing."""
    kept, people.heard = people.heard, {}
    async with application_only(people.world):
        with database_only():
            wanted = [(who, path) for who, path in answers if path in {"/v1/clocks", "/v1/consultations", "/v1/events"}]
            now = await read_all(people, wanted)
    people.heard = kept
    assert all(answers[read] != now[read] for read in wanted)
    told = {who: str([now[read] for read in wanted if read[0] == who]) for who, _ in wanted}
    assert {line.split()[0] for line in met_by(told, MARKERS)} == {"a_all", "b_all", "i_all", "p2_all", "i2_all"}


def test_conditions_on_whose_row_it_is_are_found_and_taken_out_whatever_stands_around_them() -> None:
    statement = """
    select x.*, (select m.document from baton.annotation m where m.tenant_id = x.tenant_id and m.organization_id = $2) m
    from baton.lead x join baton.clock c on c.tenant_id = x.tenant_id and c.lead_id = x.id
    where x.tenant_id = $1 and ($3::uuid is null or x.partner_id = $3) and x.at between $4 and $5 and x.id = $6
    order by x.at limit 3
    """
    assert [plain(one.text) for one in conditions(statement)] == [
        "m.tenant_id = x.tenant_id", "m.organization_id = $", "c.tenant_id = x.tenant_id", "c.lead_id = x.id",
        "x.tenant_id = $", "($::uuid is null or x.partner_id = $)", "x.at between $ and $", "x.id = $",
    ]  # fmt: skip
    without = without_conditions(statement)
    for gone in ("m.organization_id = $2", "x.tenant_id = $1", "($3::uuid is null or x.partner_id = $3)"):
        assert f"(({gone}) or true)" in without
    assert without.count("or true") == 3
    assert opened("delete from t where id = $1", conditions("delete from t where id = $1")) == (
        "delete from t where ((id = $1) or true)"
    )
