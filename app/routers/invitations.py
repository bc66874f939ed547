"""Invitations: the tenant's admin asks a partner in, and whoever holds the code fetches the credential itself."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from app.db.session import Identity, Login, Transaction
from app.domain import ids
from app.domain.errors import (
    ConflictError,
    InvalidCursorError,
    NotFoundError,
    NotPermittedError,
    PartnerSuspendedError,
    ValidationFailedError,
)
from app.domain.limits import Policy
from app.routers.edge import BatonRoute, JSONBytes, Store, Tx, document, opens, public
from app.routers.organizations import SCOPES, Admin, PartnerId, answer_shown
from app.routers.paging import Listed, answer
from app.schemas.base import NothingIn
from app.schemas.identity import (
    InvitationIn,
    InvitationOut,
    InvitationsOut,
    NewClientOut,
    NewInvitationOut,
    RedeemIn,
)
from app.services import clients, invitations
from app.services.invitations import Invited

router = APIRouter(prefix="/v1", route_class=BatonRoute, tags=["partners and clients"])

_OF_PARTNER: Final = "/partners/{partner}/invitations"
_CHANGES: Final = document(NotPermittedError, NotFoundError, ConflictError, ValidationFailedError)


async def invitation_id(_: Admin, invitation: Annotated[str, Path(description="`inv_…`")]) -> UUID:
    """Return the invitation that the path names."""
    found = ids.read(ids.Prefix.INVITATION, invitation)
    if found is None:
        raise NotFoundError("There is no such invitation.")
    return found


async def read_invited(body: RedeemIn, store: Store) -> Invited:
    """Return whom the code lets in, found by the login that sees codes and clients, and nothing else."""
    async with store.begin(Identity(Login.AUTH)) as tx:
        return await invitations.find(tx, body.code, body.keys)


@dataclass(frozen=True, slots=True)
class Guest:
    """Whom the code lets in, with the transaction that is theirs."""

    invited: Invited
    tx: Transaction


async def admit(invited: Annotated[Invited, Depends(read_invited)], store: Store) -> AsyncIterator[Guest]:
    """Run the rest as the partner that was invited: what it may not write, a code does not let it write."""
    async with store.begin(Identity.of(invited.actor)) as tx:
        yield Guest(invited, tx)


InvitationId = Annotated[UUID, Depends(invitation_id)]
# Committed before the answer is sent: a credential that was shown exists.
Admitted = Annotated[Guest, Depends(admit, scope="function")]


@router.get(
    _OF_PARTNER,
    operation_id="list_invitations",
    response_model=InvitationsOut,
    responses=document(NotPermittedError, NotFoundError, InvalidCursorError),
)
@opens(*SCOPES)
async def list_invitations(request: Request, partner: PartnerId, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the invitations of a partner, the oldest first; never their codes."""
    return answer(request, await invitations.list_invitations(tx, by, partner, wanted))


@router.post(
    _OF_PARTNER,
    status_code=201,
    operation_id="create_invitation",
    response_model=NewInvitationOut,
    responses=_CHANGES,
)
@opens(*SCOPES, redact=("code",))
async def invite(partner: PartnerId, body: InvitationIn, by: Admin, tx: Tx) -> JSONBytes:
    """Invite a partner: pass the code on, and it fetches its first credential itself. The code is shown this once."""
    return JSONBytes(await invitations.invite(tx, by, partner, body), 201)


@router.post(
    f"{_OF_PARTNER}/{{invitation}}/withdraw",
    operation_id="withdraw_invitation",
    response_model=InvitationOut,
    responses=_CHANGES,
)
@opens(*SCOPES)
async def withdraw(
    partner: PartnerId, invitation: InvitationId, by: Admin, tx: Tx, body: NothingIn | None = None
) -> JSONBytes:
    """Withdraw an invitation that nobody has redeemed, such as one that went to the wrong address."""
    del body
    return JSONBytes(await invitations.withdraw(tx, by, partner, invitation))


@router.post(
    "/invitations/redeem",
    status_code=201,
    operation_id="redeem_invitation",
    response_model=NewClientOut,
    responses=document(NotFoundError, ConflictError, PartnerSuspendedError, ValidationFailedError),
)
@public("the code is the proof, and it works once", policy=Policy.TOKEN)
async def redeem(guest: Admitted) -> JSONBytes:
    """Fetch the credential that one was invited to, with the code instead of a token.

    A code works once. The secret is shown this once, and is the partner's own: nobody else has seen it.
    """
    by = guest.invited.actor
    await invitations.redeem(guest.tx, guest.invited)
    shown = await clients.create_client(guest.tx, by, by.organization_id, guest.invited.client)
    return answer_shown(shown, f"/v1/clients/{shown.body['client_id']}")
