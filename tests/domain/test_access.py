"""What each role starts with and each side may hold, written out, and who administers a tenant."""

import pytest

from app.domain.access import (
    OUTSIDE_SANDBOX,
    ROLES_OF,
    SCOPES_OF,
    default_scopes,
    refuse_unless_administrator,
    refuse_unless_own_administrator,
)
from app.domain.actor import Side
from app.domain.errors import NotPermittedError
from app.domain.lead import Party
from tests.domain.playbooks import MANAGER, PARTNER, TENANT, actor

WORK = {
    "leads:read", "leads:write", "handovers:write", "outcomes:write", "events:read", "escalations:read",
    "escalations:write", "playbooks:read", "kpis:read",
}  # fmt: skip
PARTNERS_MOST = WORK | {"webhooks:manage", "playbooks:write", "partners:manage"}
EVERYTHING = PARTNERS_MOST | {"destinations:manage", "audit:read", "admin"}


def test_a_side_has_its_roles_and_the_scopes_that_it_may_hold():
    assert {side.value: set(roles) for side, roles in ROLES_OF.items()} == {
        "partner": {"partner", "manager", "admin"},
        "internal": {"internal_sales", "technical", "customer_success", "manager", "admin"},
    }
    assert {side.value: set(scopes) for side, scopes in SCOPES_OF.items()} == {
        "partner": PARTNERS_MOST,
        "internal": EVERYTHING,
    }


@pytest.mark.parametrize(
    ("side", "roles", "scopes"),
    [
        ("partner", ["partner"], WORK | {"webhooks:manage"}),
        ("partner", ["manager"], WORK | {"webhooks:manage", "playbooks:write"}),
        ("partner", ["admin"], PARTNERS_MOST),
        ("internal", ["internal_sales"], WORK),
        ("internal", ["technical"], WORK),
        ("internal", ["customer_success"], WORK),
        ("internal", ["internal_sales", "manager"], WORK | {"webhooks:manage", "playbooks:write"}),
        ("internal", ["admin"], EVERYTHING),
        ("internal", [], set()),
    ],
)
def test_a_client_that_names_no_scopes_has_those_of_its_roles(side: str, roles: list, scopes: set[str]):
    assert default_scopes(Side(side), roles) == scopes


def test_only_an_admin_of_the_tenants_own_organisation_administers():
    refuse_unless_administrator(actor(Party(TENANT, "admin", Side.INTERNAL)))
    for party in (MANAGER, Party(PARTNER, "admin", Side.PARTNER)):
        with pytest.raises(NotPermittedError) as refused:
            refuse_unless_administrator(actor(party))
        assert refused.value.detail == "Only an admin of the tenant's own organisation may do this."


def test_an_admin_of_either_side_administers_its_own_organisation():
    for party in (Party(TENANT, "admin", Side.INTERNAL), Party(PARTNER, "admin", Side.PARTNER)):
        refuse_unless_own_administrator(actor(party))
    with pytest.raises(NotPermittedError) as refused:
        refuse_unless_own_administrator(actor(MANAGER))
    assert refused.value.detail == "Only an admin of the organisation may do this."


def test_a_test_client_opens_nothing_that_reaches_real_leads():
    assert {"destinations:manage", "playbooks:write", "partners:manage", "audit:read", "admin"} == OUTSIDE_SANDBOX
