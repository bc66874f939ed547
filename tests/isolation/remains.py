"""What everyday use leaves in the tables that a population of leads does not reach, for each organisation one row."""

import json
from typing import Final

from app.domain.ids import Prefix, read
from app.seed import PROGRAM
from tests.isolation.population import Population, marked_lead

_DAY: Final = "2026-11-02"
_ATTEMPT: Final = """
insert into baton.attempt (tenant_id, delivery_id, organization_id, n, day, started_at, status, response_head)
select distinct on (d.organization_id) d.tenant_id, d.id, d.organization_id, 1, current_date, now(), 200,
  d.organization_id::text::bytea
from baton.delivery d
"""


_QUEUED: Final = """
with others as (
  select p.tenant_id, p.id from baton.playbook p
  where p.tenant_id not in (select tenant_id from baton.ratification) and p.status = 'in_force'
), declined as (
  insert into baton.declination (tenant_id, playbook_id, organization_id, comment, declined_at)
  select o.tenant_id, o.id, o.tenant_id, 'mk-p2-shared', now() from others o
)
insert into baton.ratification (tenant_id, playbook_id, queued_at) select tenant_id, id, now() from others
"""
"""Nobody declines or agrees in the second tenant."""


_KEPT_ON_HANDOVERS: Final = """
insert into baton.annotation (tenant_id, partner_id, organization_id, lead_id, subject_id, document)
select h.tenant_id, h.partner_id, h.from_organization_id, h.lead_id, h.id,
  (select a.document from baton.annotation a where a.tenant_id = h.tenant_id and a.subject_id = h.lead_id
    and a.organization_id = h.from_organization_id)
from baton.handover h
"""
"""What an organisation keeps on a handover stands beside it, as it does on leads."""


_OF_CLIENTS: Final = (
    (
        "insert into baton.client_limit (tenant_id, client_id, policy, per_minute)"
        " select tenant_id, id, 'bulk', 600000 from baton.client"
    ),
    (
        "insert into baton.organization_limit (tenant_id, organization_id, policy, per_minute)"
        " select tenant_id, id, 'bulk', 600000 from baton.organization"
    ),
    (
        "insert into baton.spent_assertion (tenant_id, client_id, jti, expires_at)"
        " select tenant_id, id, 'spent', now() from baton.client"
    ),
    (
        "insert into baton.suspension (tenant_id, id, organization_id, queued_at)"
        " select tenant_id, gen_random_uuid(), id, now() from baton.organization where kind = 'internal'"
    ),
)


async def _propose(people: Population, *, declined: bool = False) -> None:
    """Leave a version of the common program open, so that B has one to answer, or have partner A decline it."""
    world = people.world
    document = await world.admin.fetchval(
        "select v.document::text from baton.playbook v join baton.program p on p.id = v.program_id where p.key = $1"
        " and v.tenant_id = (select tenant_id from baton.program where key = 'mk-a-shared-pilot') limit 1",
        PROGRAM,
    )
    body = {"document": json.loads(document), "comment": "again"}
    proposed = await world.post("i_all", f"/v1/programs/{PROGRAM}/playbooks", body, status=201)
    if declined:
        await world.post("a_all", f"/v1/playbooks/{proposed['id']}/decline", {"comment": "mk-a-shared"})


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
        own = {"name": shared.replace("shared", "own"), "roles": ["partner"], "scopes": ["leads:read"]}
        await world.post(partner, "/v1/clients", own, status=201)  # seen by the partner alone
        same = marked_lead("same", shared, shared) | {"company": {"name": "株式会社どこにでもある"}}
        people.objects[owner]["lead_same"] = (await world.post(partner, "/v1/leads", same, status=201))["id"]
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
    await world.adjudicate()
    for partner, shared in (("a_all", "mk-a-shared"), ("b_all", "mk-b-shared"), ("p2_all", "mk-p2-shared")):
        await world.post(partner, "/v1/leads", marked_lead("waits", shared, shared), status=201)
    await _propose(people, declined=True)
    await _propose(people)
    await world.admin.execute(_ATTEMPT)
    await world.admin.execute(_QUEUED)
    await world.admin.execute(_KEPT_ON_HANDOVERS)
    for statement in _OF_CLIENTS:
        await world.admin.execute(statement)
    for who in ("a_all", "b_all", "p2_all", "i_all", "i2_all"):
        organization = read(Prefix.ORGANIZATION, await world.organization(who))
        counted = "select count(*) from baton.feed where organization_id = $1"
        people.feeds[who] = await world.admin.fetchval(counted, organization)
