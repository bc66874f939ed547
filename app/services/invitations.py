"""Use cases on invitations: a partner fetches its own first credential, and no secret passes through the tenant.

An admin of the tenant says what the partner's client may do and gets a one-time code; whoever redeems it gets the
client and its credential, which is the partner's own from then on. The code is worth a credential until it is used, so
it lives for days and works once: a vendor whose code is spent already knows that somebody else has read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from app.db import pages, partners
from app.db.pages import Key, Listing, Order, Page, Wanted
from app.db.session import Transaction
from app.domain import ids
from app.domain.access import Role, Scope
from app.domain.actor import Actor, Side
from app.domain.errors import ConflictError, NotFoundError, PartnerSuspendedError, ValidationFailedError
from app.domain.grants import scopes_given
from app.schemas.identity import ClientIn, InvitationIn, PublicJwkIn
from app.security import credentials

USUAL_LIFE: Final = timedelta(days=7)
MAX_LIFE: Final = timedelta(days=30)
MOST_OPEN: Final = 20
"""Open invitations of one partner."""

_COLUMNS: Final = (
    "id, organization_id, name, roles, scopes, test, networks, created_at, expires_at, redeemed_at, withdrawn_at,"
    " now() as now"
)
_NOW: Final = "select now()"  # credentials live in real time, whatever Baton's clock says
_OF_PARTNER: Final = "tenant_id = $1 and organization_id = $2"
_ADD: Final = f"""
insert into baton.invitation
  (tenant_id, organization_id, id, digest, name, roles, scopes, test, networks, created_at, expires_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), coalesce($10, now() + $11)) returning {_COLUMNS}
"""  # noqa: S608  # constants only
_OPEN: Final = f"""
select count(*) from baton.invitation
where {_OF_PARTNER} and redeemed_at is null and withdrawn_at is null and expires_at > now()
"""  # noqa: S608  # constants only
_INVITATIONS: Final = Listing(
    f"select {_COLUMNS} from baton.invitation where {_OF_PARTNER}",  # noqa: S608  # constants only
    Order((Key("created_at", "created_at", datetime), Key("id", "id", UUID))),
)
_WITHDRAW: Final = f"""
update baton.invitation set withdrawn_at = coalesce(withdrawn_at, now())
where {_OF_PARTNER} and id = $3 returning {_COLUMNS}
"""  # noqa: S608  # constants only
_BY_ID: Final = """
select i.tenant_id, i.id, i.organization_id, i.digest, i.name, i.roles, i.scopes, i.test, i.networks, i.expires_at,
  i.redeemed_at, i.withdrawn_at, now() as now, o.status = 'active' as organization_active
from baton.invitation i join baton.organization o on o.tenant_id = i.tenant_id and o.id = i.organization_id
where i.id = $1
"""
_REDEEM: Final = f"""
update baton.invitation set redeemed_at = now()
where {_OF_PARTNER} and id = $3 and redeemed_at is null and withdrawn_at is null and expires_at > now() returning id
"""  # noqa: S608  # constants only
_CLOSED: Final = {
    "redeemed": "The invitation has been redeemed. If that was not you, somebody else has read it: say so at once.",
    "withdrawn": "The invitation has been withdrawn.",
    "expired": "The invitation has expired; ask for a new one.",
}


@dataclass(frozen=True, slots=True)
class Invited:
    """Whom a code lets in: acts for the partner with what it was given, to make the one client that it may."""

    actor: Actor
    client: ClientIn


async def invite(tx: Transaction, by: Actor, partner: UUID, body: InvitationIn) -> dict[str, Any]:
    """Invite a partner; the code is in the answer and kept nowhere.

    Raises NotFoundError, ConflictError beyond `MOST_OPEN`, and ValidationFailedError for roles or scopes that a partner
    does not have or the caller cannot give, and for a life outside of `MAX_LIFE`.
    """
    await partners.find(tx, by.tenant_id, partner, lock=True)
    scopes = scopes_given(by, Side.PARTNER, body.roles, body.scopes, test=body.test)
    if body.expires_at is not None and not timedelta() < body.expires_at - await tx.fetchval(_NOW) <= MAX_LIFE:
        fault = {"pointer": "/expires_at", "code": "range", "message": f"Within the next {MAX_LIFE.days} days."}
        raise ValidationFailedError("Some fields are not valid.", errors=[fault])
    if await tx.fetchval(_OPEN, by.tenant_id, partner) >= MOST_OPEN:
        raise ConflictError(f"A partner has at most {MOST_OPEN} open invitations; withdraw one.")
    invitation = uuid4()
    code = credentials.make_invitation_code(invitation)
    given = (body.name, sorted(body.roles), sorted(scopes), body.test, body.networks, body.expires_at, USUAL_LIFE)
    row = await tx.fetchrow(_ADD, by.tenant_id, partner, invitation, code.digest, *given)
    return _view(row) | {"code": code.text}


async def list_invitations(tx: Transaction, by: Actor, partner: UUID, wanted: Wanted) -> Page[dict[str, Any]]:
    """Return a page of the invitations of a partner, the oldest first. Raises NotFoundError."""
    await partners.find(tx, by.tenant_id, partner)
    return pages.shaped(await pages.read(tx, wanted, _INVITATIONS, [by.tenant_id, partner]), _view)


async def withdraw(tx: Transaction, by: Actor, partner: UUID, invitation: UUID) -> dict[str, Any]:
    """Withdraw an invitation, once or again. Raises NotFoundError, and ConflictError where it has been redeemed."""
    row = await tx.fetchrow(_WITHDRAW, by.tenant_id, partner, invitation)
    if row is None:
        raise NotFoundError("There is no such invitation.")
    if row["redeemed_at"] is not None:
        raise ConflictError("The invitation has been redeemed.")  # and so nothing of this is kept
    return _view(row)


async def find(tx: Transaction, code: str, keys: Sequence[PublicJwkIn]) -> Invited:
    """Return whom a code lets in. Only who holds the whole code learns why it does not.

    Raises NotFoundError for what is no code, ConflictError for one that does not hold any more, and
    PartnerSuspendedError.
    """
    known = credentials.invitation_id_of(code)
    row = await tx.fetchrow(_BY_ID, known) if known else None
    if row is None or not credentials.matches(code, [row["digest"]]):
        raise NotFoundError("There is no such invitation.")
    if closed := _CLOSED.get(_status(row)):
        raise ConflictError(closed)
    if not row["organization_active"]:
        raise PartnerSuspendedError("The organisation is suspended.")
    roles, scopes = {Role(role) for role in row["roles"]}, {Scope(scope) for scope in row["scopes"]}
    actor = Actor(
        row["tenant_id"], row["organization_id"], row["id"], Side.PARTNER, frozenset(roles), frozenset(scopes)
    )
    return Invited(
        actor,
        ClientIn(
            name=row["name"], roles=roles, scopes=scopes, test=row["test"], networks=row["networks"], keys=list(keys)
        ),
    )


async def redeem(tx: Transaction, invited: Invited) -> None:
    """Use the code up; its client is made in the same transaction. Raises ConflictError where another was faster."""
    by = invited.actor
    if await tx.fetchval(_REDEEM, by.tenant_id, by.organization_id, by.client_id) is None:
        raise ConflictError(_CLOSED["redeemed"])


def _status(row: Any) -> str:  # noqa: ANN401  # a database row
    if row["redeemed_at"] is not None:
        return "redeemed"
    if row["withdrawn_at"] is not None:
        return "withdrawn"
    return "open" if row["now"] < row["expires_at"] else "expired"


def _view(row: Any) -> dict[str, Any]:  # noqa: ANN401  # a database row
    return {
        "id": ids.show(ids.Prefix.INVITATION, row["id"]),
        "organization_id": ids.show(ids.Prefix.ORGANIZATION, row["organization_id"]),
        "status": _status(row),
        "name": row["name"],
        "roles": row["roles"],
        "scopes": row["scopes"],
        "test": row["test"],
        "networks": row["networks"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "redeemed_at": row["redeemed_at"],
    }
