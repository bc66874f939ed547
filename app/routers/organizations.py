"""Partners and their first clients: what an admin of the tenant's own organisation manages."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request

from app.domain import ids
from app.domain.access import refuse_unless_administrator
from app.domain.actor import Actor
from app.domain.errors import ConflictError, InvalidCursorError, NotFoundError, NotPermittedError, ValidationFailedError
from app.domain.versions import Shown
from app.routers.edge import BatonRoute, Caller, IfMatch, JSONBytes, Tx, document, opens
from app.routers.paging import Listed, answer
from app.schemas.identity import (
    ClientIn,
    ClientsOut,
    NewClientOut,
    PartnerIn,
    PartnerOut,
    PartnerPatch,
    PartnersOut,
)
from app.services import clients, organizations

router = APIRouter(prefix="/v1", route_class=BatonRoute, tags=["partners and clients"])

SCOPES: Final = ("partners:manage", "admin")
PATCHES: Final = ("application/merge-patch+json", "application/json")
_LISTS: Final = document(NotPermittedError, InvalidCursorError)
_READS: Final = document(NotPermittedError, NotFoundError)
_WRITES: Final = document(NotPermittedError, NotFoundError, ValidationFailedError)
_CHANGES: Final = document(NotPermittedError, NotFoundError, ConflictError, ValidationFailedError)


async def administrator(by: Caller) -> Actor:
    """Return the caller if it administers the tenant; who does not is refused before its fields are looked at."""
    refuse_unless_administrator(by)
    return by


Admin = Annotated[Actor, Depends(administrator)]


async def partner_id(_: Admin, partner: Annotated[str, Path(description="`org_…`")]) -> UUID:
    """Return the partner that the path names."""
    found = ids.read(ids.Prefix.ORGANIZATION, partner)
    if found is None:
        raise NotFoundError("There is no such partner.")
    return found


PartnerId = Annotated[UUID, Depends(partner_id)]


def answer_shown(shown: Shown, location: str | None = None) -> JSONBytes:
    """Return an object with its ETag: 201 where it is new and stands at `location`, else 200."""
    headers = {"ETag": f'"{shown.version}"'}
    return (
        JSONBytes(shown.body, 201, headers | {"Location": location})
        if location
        else JSONBytes(shown.body, 200, headers)
    )


@router.get("/partners", operation_id="list_partners", response_model=PartnersOut, responses=_LISTS)
@opens(*SCOPES)
async def list_partners(request: Request, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the tenant's partners, the oldest first."""
    return answer(request, await organizations.list_partners(tx, by, wanted))


@router.post(
    "/partners",
    status_code=201,
    operation_id="create_partner",
    response_model=PartnerOut,
    responses=document(NotPermittedError, ConflictError, ValidationFailedError),
)
@opens(*SCOPES)
async def create_partner(body: PartnerIn, by: Admin, tx: Tx) -> JSONBytes:
    """Create a partner organisation; give it clients next."""
    shown = await organizations.create_partner(tx, by, body)
    return answer_shown(shown, f"/v1/partners/{shown.body['id']}")


@router.get("/partners/{partner}", operation_id="get_partner", response_model=PartnerOut, responses=_READS)
@opens(*SCOPES)
async def read_partner(partner: PartnerId, by: Admin, tx: Tx) -> JSONBytes:
    """Read one partner."""
    return answer_shown(await organizations.read_partner(tx, by, partner))


@router.patch("/partners/{partner}", operation_id="patch_partner", response_model=PartnerOut, responses=_WRITES)
@opens(*SCOPES, takes=PATCHES)
async def change_partner(partner: PartnerId, body: PartnerPatch, by: Admin, tx: Tx, tag: IfMatch) -> JSONBytes:
    """Rename, suspend or reactivate a partner. A suspension is felt everywhere within 30 seconds.

    While it lasts, the partner's webhooks wait; none is lost, they follow once it is active again.
    """
    return answer_shown(await organizations.change_partner(tx, by, partner, body, tag))


@router.get(
    "/partners/{partner}/clients",
    operation_id="list_partner_clients",
    response_model=ClientsOut,
    responses=_LISTS | document(NotFoundError),
)
@opens(*SCOPES)
async def list_partner_clients(request: Request, partner: PartnerId, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the clients of a partner that the tenant manages, the oldest first; the partner's own are its own affair."""
    return answer(request, await clients.list_clients(tx, by, partner, wanted))


@router.post(
    "/partners/{partner}/clients",
    status_code=201,
    operation_id="create_partner_client",
    response_model=NewClientOut,
    responses=_WRITES,
)
@opens(*SCOPES, redact=("client_secret",))
async def create_partner_client(partner: PartnerId, body: ClientIn, by: Admin, tx: Tx) -> JSONBytes:
    """Create a client of a partner: its first admin, which then manages the others. Its secret is shown this once.

    Whatever an admin of the partner changes or makes is from then on seen and managed by the partner alone.
    """
    shown = await clients.create_client(tx, by, partner, body)
    return answer_shown(shown, f"/v1/clients/{shown.body['client_id']}")
