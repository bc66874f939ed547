"""What everyday use leaves in the tables that a population of leads does not reach, for each organisation one row."""

from typing import Final

from app.seed import PROGRAM
from tests.isolation.population import Population

_DAY: Final = "2026-11-02"
_ATTEMPT: Final = """
insert into baton.attempt (tenant_id, delivery_id, organization_id, n, day, started_at, status, response_head)
select distinct on (organization_id) tenant_id, id, organization_id, 1, current_date, now(), 200, organization_id::text::bytea
from baton.delivery
"""


async def leave(people: Population) -> None:
    """Count calls, repeat a request under a key, revoke a token, try a delivery, and leave a note to be published."""
    world = people.world
    for owner, partner, shared in (
        ("a", "a_all", "mk-a-shared"),
        ("b", "b_all", "mk-b-shared"),
        ("p2", "p2_all", "mk-p2-shared"),
    ):
        counted = await world.call(
            partner, "PUT", f"/v1/programs/{PROGRAM}/call-counts/{_DAY}", {"calls": 3, "connected": 1}
        )
        assert counted.status_code == 200, counted.text
        note = {"kind": "context", "body": shared, "visibility": "shared"}
        await world.post(partner, f"/v1/leads/{people.objects[owner]['lead']}/notes", note, status=201)
    for who in ("a_all", "b_all", "p2_all", "i_all", "i2_all"):
        key = {"Idempotency-Key": "the-same-everywhere"}
        kept = await world.call(who, "POST", "/v1/playbooks/lint", {"document": {"of": who}}, headers=key)
        assert kept.status_code == 200, kept.text
        spare = (await world.log_in(who)).json()["access_token"]
        client = world.clients[who]
        revoked = await world.http.post(
            "/oauth/revoke", data={"token": spare}, auth=(client["client_id"], client["client_secret"])
        )
        assert revoked.status_code == 200, revoked.text
    await world.admin.execute(_ATTEMPT)
