"""Owns the closed sets of scopes and roles (contract 2): who may hold them, what a role starts with, what opens.

A scope opens an endpoint; whether this role may do this to this lead now is the playbook's decision, never taken here.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from app.domain.actor import Actor, Side
from app.domain.errors import NotPermittedError

LIVE_SECRETS: Final = 2  # a client has two at most, so that it can change over
LIVE_KEYS: Final = 2  # the same of the public keys of its assertions
MAX_NETWORKS: Final = 16  # of a client: its tokens carry them, in the longest spelling 1,000 characters


class Role(StrEnum):
    """What a client acts as."""

    PARTNER = "partner"
    INTERNAL_SALES = "internal_sales"
    TECHNICAL = "technical"
    CUSTOMER_SUCCESS = "customer_success"
    MANAGER = "manager"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may open."""

    LEADS_READ = "leads:read"
    LEADS_WRITE = "leads:write"
    HANDOVERS_WRITE = "handovers:write"
    OUTCOMES_WRITE = "outcomes:write"
    WEBHOOKS_MANAGE = "webhooks:manage"
    EVENTS_READ = "events:read"
    ESCALATIONS_READ = "escalations:read"
    ESCALATIONS_WRITE = "escalations:write"
    DESTINATIONS_MANAGE = "destinations:manage"
    PLAYBOOKS_READ = "playbooks:read"
    PLAYBOOKS_WRITE = "playbooks:write"
    PARTNERS_MANAGE = "partners:manage"
    KPIS_READ = "kpis:read"
    AUDIT_READ = "audit:read"
    ADMIN = "admin"


OPENS: Final[Mapping[Scope, str]] = MappingProxyType(
    {
        Scope.LEADS_READ: "Read leads with their notes, activities, handovers, timeline, owners, clocks and actions.",
        Scope.LEADS_WRITE: "Post and change leads, add notes and activities, advance, assign, reopen, raise troubles; "
        "ask for and answer consultations.",
        Scope.HANDOVERS_WRITE: "Request, pull, accept, reject, return, answer and withdraw handovers; give feedback.",
        Scope.OUTCOMES_WRITE: "State, correct, acknowledge and contest outcomes.",
        Scope.WEBHOOKS_MANAGE: "Manage the organisation's own webhook endpoints, read and resend their deliveries.",
        Scope.EVENTS_READ: "Read the organisation's own feed of events and the catalogue of event types.",
        Scope.ESCALATIONS_READ: "Read escalations.",
        Scope.ESCALATIONS_WRITE: "Acknowledge, snooze, waive and resolve escalations; start drills.",
        Scope.DESTINATIONS_MANAGE: "Manage and test the on-call tools that escalations are sent to.",
        Scope.PLAYBOOKS_READ: "Read programs, playbooks and forms; lint and simulate playbooks.",
        Scope.PLAYBOOKS_WRITE: "Propose playbooks and agree to them.",
        Scope.PARTNERS_MANAGE: "Manage the own organisation's clients and their credentials; for the tenant, partners.",
        Scope.KPIS_READ: "Read funnel, reasons and feedback debt.",
        Scope.AUDIT_READ: "Read the audit trail.",
        Scope.ADMIN: "Administer the tenant: all that other scopes of administration open.",
    }
)

ROLES_OF: Final[Mapping[Side, frozenset[Role]]] = MappingProxyType(
    {
        Side.PARTNER: frozenset({Role.PARTNER, Role.MANAGER, Role.ADMIN}),
        Side.INTERNAL: frozenset(Role) - {Role.PARTNER},
    }
)
"""Which roles the clients of an organisation may hold."""

SCOPES_OF: Final[Mapping[Side, frozenset[Scope]]] = MappingProxyType(
    {
        Side.PARTNER: frozenset(Scope) - {Scope.DESTINATIONS_MANAGE, Scope.AUDIT_READ, Scope.ADMIN},
        Side.INTERNAL: frozenset(Scope),
    }
)
"""Which scopes the clients of an organisation may hold."""

OUTSIDE_SANDBOX: Final = frozenset(
    {Scope.DESTINATIONS_MANAGE, Scope.PLAYBOOKS_WRITE, Scope.PARTNERS_MANAGE, Scope.AUDIT_READ, Scope.ADMIN}
)
"""What a test client never opens, whatever it was given: it works on test leads, and these reach real ones."""

_WORK: Final = frozenset(
    {
        Scope.LEADS_READ,
        Scope.LEADS_WRITE,
        Scope.HANDOVERS_WRITE,
        Scope.OUTCOMES_WRITE,
        Scope.EVENTS_READ,
        Scope.ESCALATIONS_READ,
        Scope.ESCALATIONS_WRITE,
        Scope.PLAYBOOKS_READ,
        Scope.KPIS_READ,
    }
)

_STARTS_WITH: Final[Mapping[Role, frozenset[Scope]]] = MappingProxyType(
    {
        Role.PARTNER: _WORK | {Scope.WEBHOOKS_MANAGE},
        Role.INTERNAL_SALES: _WORK,
        Role.TECHNICAL: _WORK,
        Role.CUSTOMER_SUCCESS: _WORK,
        Role.MANAGER: _WORK | {Scope.WEBHOOKS_MANAGE, Scope.PLAYBOOKS_WRITE},
        Role.ADMIN: frozenset(Scope),
    }
)


def default_scopes(side: Side, roles: Collection[Role]) -> frozenset[Scope]:
    """Return the scopes of a client that names none: those of its roles, as far as its side may hold them."""
    return frozenset[Scope]().union(*(_STARTS_WITH[role] for role in roles)) & SCOPES_OF[side]


def refuse_unless_administrator(actor: Actor) -> None:
    """Raise NotPermittedError unless the actor administers the tenant: role admin in its own organisation."""
    if actor.side is not Side.INTERNAL or Role.ADMIN not in actor.roles:
        raise NotPermittedError("Only an admin of the tenant's own organisation may do this.")


def refuse_unless_own_administrator(actor: Actor) -> None:
    """Raise NotPermittedError unless the actor administers its own organisation, the tenant's or a partner's."""
    if Role.ADMIN not in actor.roles:
        raise NotPermittedError("Only an admin of the organisation may do this.")
