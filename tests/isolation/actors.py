"""Everybody who may knock: with and without a token, narrow and wide, of both sides and both tenants."""

import time
from dataclasses import dataclass
from typing import Final

from app.security.tokens import issue
from tests.isolation.population import INTERNAL_ROLES, PARTNER_ROLES, Population

WORK: Final = frozenset(
    [
        "leads:read",
        "leads:write",
        "handovers:write",
        "outcomes:write",
        "webhooks:manage",
        "events:read",
        "escalations:read",
        "escalations:write",
        "playbooks:read",
        "playbooks:write",
        "partners:manage",
        "kpis:read",
    ]
)
"""Every scope that a partner's client may hold (contract 2)."""
EVERY: Final = WORK | {"destinations:manage", "audit:read", "admin"}
"""Every scope that a client of the tenant's own organisation may hold."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One caller, and what it is to be answered by: `refused` callers get no further than authentication.

    `own`, `sibling` and `foreign` name the owners in the population whose objects are, to this caller, its own, those
    of another organisation of its tenant, and those of another tenant.
    """

    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    own: tuple[str, ...]
    sibling: tuple[str, ...]
    foreign: tuple[str, ...]
    refused: bool = False

    @property
    def is_partner(self) -> bool:
        """Whether it is of a partner's organisation."""
        return self.own[0] in {"a", "b", "p2"}

    def holds(self, *roles: str) -> bool:
        """Return whether it has one of these roles."""
        return not self.roles.isdisjoint(roles)


def _of_a(name: str, roles: list[str], scopes: frozenset[str], *, refused: bool = False) -> Actor:
    return Actor(name, frozenset(roles), scopes, ("a",), ("b", "i"), ("p2", "i2"), refused)


def _inside(name: str, *roles: str) -> Actor:
    return Actor(name, frozenset(roles), EVERY, ("i", "a"), ("a",), ("i2", "p2"))


ACTORS: Final = (
    _of_a("anonymous", [], frozenset(), refused=True),
    _of_a("expired", PARTNER_ROLES, WORK, refused=True),
    _of_a("suspended", PARTNER_ROLES, WORK, refused=True),
    _of_a("a_counter", ["partner"], frozenset({"kpis:read"})),
    _of_a("a_poster", ["partner"], frozenset({"leads:read", "leads:write"})),
    _of_a("a_all", PARTNER_ROLES, WORK),
    Actor("b_all", frozenset(PARTNER_ROLES), WORK, ("b",), ("a", "i"), ("p2", "i2")),
    Actor("p2_all", frozenset(PARTNER_ROLES), WORK, ("p2",), ("i2",), ("a", "i")),
    _inside("i_sales", "internal_sales"),
    _inside("i_technical", "technical"),
    _inside("i_success", "customer_success"),
    _inside("i_manager", "manager"),
    _inside("i_admin", "admin"),
    Actor("i2_all", frozenset(INTERNAL_ROLES), EVERY, ("i2", "p2"), ("p2",), ("i", "a")),
)
"""`a_counter` and `a_poster` are partner A's narrow machines: together they lack, route by route, what opens it."""
_HELD_ALREADY: Final = {"a_all", "b_all", "p2_all", "i2_all"}


async def admit(people: Population) -> None:
    """Give every actor its client and its token; what has expired or been suspended was in order before."""
    world = people.world
    for actor in ACTORS:
        if actor.name in _HELD_ALREADY | {"anonymous", "expired"}:
            continue
        within = {"partner_of": "a_all"} if actor.is_partner else {}
        body = {"roles": sorted(actor.roles), "scopes": sorted(actor.scopes)}
        await world.add_client(actor.name, by="i_all", **within, **body)
        await world.token(actor.name)
    await _expire(people)
    await _suspend(people)


async def _expire(people: Population) -> None:
    """Sign a token of partner A that ended a minute ago."""
    world = people.world
    issuer = world.app.state.issuer
    actor = issuer.verifier.verify(await world.token("a_all")).actor
    ago = {"now": time.time() - 660, "lifetime": 600}
    world.tokens["expired"] = issue(issuer._keys.active, actor, issuer=issuer.url, audience=issuer.audience, **ago)


async def _suspend(people: Population) -> None:
    world = people.world
    path = f"/v1/clients/{world.clients['suspended']['client_id']}"
    tag = (await world.call("i_all", "GET", path)).headers["etag"]
    answer = await world.call("i_all", "PATCH", path, {"status": "suspended"}, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    await world.app.state.issuer._renew()  # what every process does within 30 s
