"""Figures of the rate limits that an admin has set: of one client, or of each client of one partner."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic_core import from_json

from app.db.session import Transaction
from app.domain.limits import SETTABLE

OF_CLIENT: Final = """
(select jsonb_object_agg(l.policy, l.per_minute)::text from baton.client_limit l
  where l.tenant_id = client.tenant_id and l.client_id = client.id) as limits
"""
OF_ORGANIZATION: Final = """
(select jsonb_object_agg(l.policy, l.per_minute)::text from baton.organization_limit l
  where l.tenant_id = organization.tenant_id and l.organization_id = organization.id) as limits
"""
"""A column of what is selected from `baton.client` and `baton.organization`; read it by `shown`."""

_SET: Final = """
insert into baton.{table} (tenant_id, {owner}, policy, per_minute)
select $1, $2, policy, per_minute from unnest($3::text[], $4::int[]) as new (policy, per_minute)
on conflict (tenant_id, {owner}, policy) do update set per_minute = excluded.per_minute
"""
_FORGET: Final = "delete from baton.{table} where tenant_id = $1 and {owner} = $2 and policy = any($3)"
_CLIENT: Final = {"table": "client_limit", "owner": "client_id"}
_ORGANIZATION: Final = {"table": "organization_limit", "owner": "organization_id"}


def shown(column: str | None) -> dict[str, int | None]:
    """Return the figure of each policy, None where the figure of what is above holds."""
    held: dict[str, int] = from_json(column) if column else {}
    return {policy.value: held.get(policy.value) for policy in sorted(SETTABLE)}


def changed(column: str | None, given: Mapping[str, int | None]) -> dict[str, int | None]:
    """Return what of `given` differs from what is set."""
    held = shown(column)
    return {policy: figure for policy, figure in given.items() if held[policy] != figure}


async def set_of_client(tx: Transaction, tenant_id: UUID, client: UUID, changes: Mapping[str, int | None]) -> None:
    """Set figures of one client; None takes one away."""
    await _write(tx, _CLIENT, tenant_id, client, changes)


async def set_of_organization(
    tx: Transaction, tenant_id: UUID, organization: UUID, changes: Mapping[str, int | None]
) -> None:
    """Set figures that hold for each client of an organisation that has none of its own; None takes one away."""
    await _write(tx, _ORGANIZATION, tenant_id, organization, changes)


async def _write(
    tx: Transaction, names: Mapping[str, str], tenant_id: UUID, owner: UUID, changes: Mapping[str, Any]
) -> None:
    figures = {policy: figure for policy, figure in changes.items() if figure is not None}
    if figures:
        await tx.execute(_SET.format(**names), tenant_id, owner, list(figures), list(figures.values()))
    if gone := [policy for policy, figure in changes.items() if figure is None]:
        await tx.execute(_FORGET.format(**names), tenant_id, owner, gone)
