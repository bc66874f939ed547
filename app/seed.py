"""Seeds the demo tenants through the same services as the API, if they are absent, and says who may log in."""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.db import ratification
from app.db.session import Address, Database, Identity, Login
from app.domain import ids
from app.domain.access import Role, Scope
from app.domain.actor import Actor, Side
from app.playbook_file import read
from app.schemas.identity import ClientIn, PartnerIn
from app.schemas.programs import EnrolmentIn, ProgramIn, ProposalIn
from app.security.keyring import MasterKeys
from app.services import agreements, calendars, organizations, programs, tenants
from app.services import clients as machine_clients

EXAMPLES = Path(__file__).parents[1] / "examples"
PROGRAM = "smb-inside-sales"

_INTERNAL: Mapping[str, Role] = {
    "sales": Role.INTERNAL_SALES,
    "manager": Role.MANAGER,
    "technical": Role.TECHNICAL,
    "success": Role.CUSTOMER_SUCCESS,
}


class _Seeder:
    """Creates one tenant with its partners, clients, calendar, program and agreed playbook."""

    def __init__(self, database: Database, keys: MasterKeys) -> None:
        self._database = database
        self._keys = keys
        self._tenant_id = UUID(int=0)

    def _actor(self, organization_id: UUID, client_id: UUID, role: Role) -> Actor:
        side = Side.INTERNAL if organization_id == self._tenant_id else Side.PARTNER
        return Actor(
            self._tenant_id, organization_id, client_id, side, frozenset({role.value}), frozenset(map(str, Scope))
        )

    async def tenant(self, key: str, name: str, partners: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Create the tenant `key`; its clients by name, each with id and secret."""
        async with self._database.begin(tenants.new_identity()) as tx:
            made = await tenants.create(tx, self._keys, key=key, name=name)
        self._tenant_id = made.tenant_id
        admin = self._actor(made.tenant_id, made.client_id, Role.ADMIN)
        clients = {"admin": {"client_id": made.shown()["client_id"], "client_secret": made.client_secret}}
        managers: list[Actor] = []
        async with self._database.transaction(admin) as tx:
            await calendars.put(tx, admin, "tokyo", _calendar())
            for client_name, role in _INTERNAL.items():
                shown = (
                    await machine_clients.create_client(tx, admin, made.tenant_id, _client(client_name, role))
                ).body
                clients[client_name] = _credentials(shown)
                if role is Role.MANAGER:
                    managers.append(self._actor(made.tenant_id, _client_id(shown), role))
            enrolled: list[EnrolmentIn] = []
            for partner_key, partner_name in partners:
                vendor = PartnerIn(key=partner_key, name=partner_name)
                partner = (await organizations.create_partner(tx, admin, vendor)).body
                enrolled.append(EnrolmentIn(partner=partner["id"]))
                organization_id = _organization_id(partner)
                for suffix, role in (("", Role.PARTNER), ("_manager", Role.MANAGER), ("_test", Role.PARTNER)):
                    client = _client(f"{partner_key}{suffix}", role, test=suffix == "_test")
                    shown = (await machine_clients.create_client(tx, admin, organization_id, client)).body
                    clients[f"{partner_key.replace('-', '_')}{suffix}"] = _credentials(shown)
                    if role is Role.MANAGER:
                        managers.append(self._actor(organization_id, _client_id(shown), role))
            body = ProgramIn(key=PROGRAM, name="SMB inside sales", calendar="tokyo", partners=enrolled)
            await programs.create(tx, admin, body)
        await self._agree(managers)
        return {"id": made.shown()["tenant_id"], "key": key, "clients": clients}

    async def _agree(self, managers: Sequence[Actor]) -> None:
        proposer, *others = managers
        document = dict(read(EXAMPLES / "playbook.yaml"))
        async with self._database.transaction(proposer) as tx:
            body = ProposalIn(document=document, comment="The default playbook")
            playbook_id = agreements.read_id((await agreements.propose(tx, proposer, PROGRAM, body))["id"])
        for manager in others:
            async with self._database.transaction(manager) as tx:
                await agreements.agree(tx, manager, playbook_id)
        async with self._database.begin(Identity(Login.WORKER, self._tenant_id)) as tx:
            await ratification.ratify(tx, self._tenant_id, playbook_id)


def _client(name: str, role: Role, *, test: bool = False) -> ClientIn:
    return ClientIn(name=name, roles={role}, test=test)


async def _free(database: Database) -> bool:
    """Whether no tenant has the demo's key: an earlier demo.json may have been lost, its tenant has not."""
    async with database.begin(Identity(Login.AUTH)) as tx:
        return await tx.fetchval("select 1 from baton.tenant where key = 'demo'") is None


def _calendar() -> dict[str, Any]:
    document = dict(read(EXAMPLES / "calendar.yaml"))
    document.pop("key")
    return document


def _credentials(shown: Mapping[str, Any]) -> dict[str, str]:
    return {"client_id": shown["client_id"], "client_secret": shown["client_secret"]}


def _client_id(shown: Mapping[str, Any]) -> UUID:
    return ids.read(ids.Prefix.CLIENT, shown["client_id"]) or uuid4()


def _organization_id(shown: Mapping[str, Any]) -> UUID:
    return ids.read(ids.Prefix.ORGANIZATION, shown["id"]) or uuid4()


async def seed(address: Address, keys: MasterKeys, base_url: str, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `demo.json`. What is `known` from an earlier start is kept; otherwise fresh tenants are made."""
    if known is not None:
        return {**known, "base_url": base_url}
    database = Database(address, dict.fromkeys(Login, 2))
    await database.start()
    try:
        seeder = _Seeder(database, keys)
        suffix = "" if await _free(database) else f"-{secrets.token_hex(3)}"
        ours = await seeder.tenant(
            f"demo{suffix}", "株式会社デモ", [("partner-a", "営業代行A株式会社"), ("partner-b", "営業代行B株式会社")]
        )
        other = await seeder.tenant(f"other{suffix}", "別会社株式会社", [("other-partner", "別パートナー株式会社")])
    finally:
        await database.stop()
    clients = {
        **ours["clients"],
        "other_tenant_admin": other["clients"]["admin"],
        "other_tenant_partner": other["clients"]["other_partner"],
    }
    return {"base_url": base_url, "tenant": {"id": ours["id"], "key": ours["key"]}, "clients": clients}
