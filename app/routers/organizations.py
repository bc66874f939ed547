"""Partners, machine clients and their secrets: what an admin of the tenant's own organisation manages."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.domain import ids
from app.domain.access import refuse_unless_administrator
from app.domain.actor import Actor
from app.domain.errors import ConflictError, InvalidCursorError, NotFoundError, NotPermittedError, ValidationFailedError
from app.routers.edge import BatonRoute, Caller, IfMatch, JSONBytes, Tx, document, opens
from app.routers.paging import Listed, answer
from app.schemas.identity import (
    ClientIn,
    ClientOut,
    ClientPatch,
    ClientsOut,
    NewClientOut,
    NewSecretOut,
    PartnerIn,
    PartnerOut,
    PartnerPatch,
    PartnersOut,
    SecretIn,
)
from app.services import organizations

router = APIRouter(prefix="/v1", route_class=BatonRoute, tags=["partners and clients"])

SCOPES: Final = ("partners:manage", "admin")
_PATCHES: Final = ("application/merge-patch+json", "application/json")
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


async def client_id(_: Admin, client: Annotated[str, Path(description="`cli_…`")]) -> UUID:
    """Return the client that the path names."""
    found = ids.read(ids.Prefix.CLIENT, client)
    if found is None:
        raise NotFoundError("There is no such client.")
    return found


PartnerId = Annotated[UUID, Depends(partner_id)]
ClientId = Annotated[UUID, Depends(client_id)]


def _answer(shown: organizations.Shown, location: str | None = None) -> JSONBytes:
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
    return _answer(shown, f"/v1/partners/{shown.body['id']}")


@router.get("/partners/{partner}", operation_id="get_partner", response_model=PartnerOut, responses=_READS)
@opens(*SCOPES)
async def read_partner(partner: PartnerId, by: Admin, tx: Tx) -> JSONBytes:
    """Read one partner."""
    return _answer(await organizations.read_partner(tx, by, partner))


@router.patch("/partners/{partner}", operation_id="patch_partner", response_model=PartnerOut, responses=_WRITES)
@opens(*SCOPES, takes=_PATCHES)
async def change_partner(partner: PartnerId, body: PartnerPatch, by: Admin, tx: Tx, tag: IfMatch) -> JSONBytes:
    """Rename, suspend or reactivate a partner. A suspension is felt everywhere within 30 seconds."""
    return _answer(await organizations.change_partner(tx, by, partner, body, tag))


@router.get(
    "/partners/{partner}/clients",
    operation_id="list_partner_clients",
    response_model=ClientsOut,
    responses=_LISTS | document(NotFoundError),
)
@opens(*SCOPES)
async def list_partner_clients(request: Request, partner: PartnerId, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the clients of a partner, the oldest first."""
    return answer(request, await organizations.list_clients(tx, by, partner, wanted))


@router.post(
    "/partners/{partner}/clients",
    status_code=201,
    operation_id="create_partner_client",
    response_model=NewClientOut,
    responses=_WRITES,
)
@opens(*SCOPES, redact=("client_secret",))
async def create_partner_client(partner: PartnerId, body: ClientIn, by: Admin, tx: Tx) -> JSONBytes:
    """Create a client of a partner, in the roles `partner`, `manager` or `admin`; its secret is shown this once."""
    shown = await organizations.create_client(tx, by, partner, body)
    return _answer(shown, f"/v1/clients/{shown.body['client_id']}")


@router.get("/clients", operation_id="list_clients", response_model=ClientsOut, responses=_LISTS)
@opens(*SCOPES)
async def list_clients(request: Request, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the clients of the tenant's own organisation, the oldest first."""
    return answer(request, await organizations.list_clients(tx, by, by.tenant_id, wanted))


@router.post(
    "/clients",
    status_code=201,
    operation_id="create_client",
    response_model=NewClientOut,
    responses=document(NotPermittedError, ValidationFailedError),
)
@opens(*SCOPES, redact=("client_secret",))
async def create_client(body: ClientIn, by: Admin, tx: Tx) -> JSONBytes:
    """Create a client of the tenant's own organisation, in any role but `partner`; its secret is shown this once."""
    shown = await organizations.create_client(tx, by, by.tenant_id, body)
    return _answer(shown, f"/v1/clients/{shown.body['client_id']}")


@router.get("/clients/{client}", operation_id="get_client", response_model=ClientOut, responses=_READS)
@opens(*SCOPES)
async def read_client(client: ClientId, by: Admin, tx: Tx) -> JSONBytes:
    """Read one client, of a partner or of the tenant's own organisation."""
    return _answer(await organizations.read_client(tx, by, client))


@router.patch("/clients/{client}", operation_id="patch_client", response_model=ClientOut, responses=_CHANGES)
@opens(*SCOPES, takes=_PATCHES)
async def change_client(client: ClientId, body: ClientPatch, by: Admin, tx: Tx, tag: IfMatch) -> JSONBytes:
    """Change what a client may do, suspend or reactivate it; tokens that say otherwise end within 30 seconds."""
    return _answer(await organizations.change_client(tx, by, client, body, tag))


@router.delete("/clients/{client}", status_code=204, operation_id="delete_client", responses=_CHANGES)
@opens(*SCOPES)
async def delete_client(client: ClientId, by: Admin, tx: Tx, tag: IfMatch) -> Response:
    """End a client for good, with its secrets at once and its tokens within 30 seconds."""
    await organizations.delete_client(tx, by, client, tag)
    return Response(status_code=204)


@router.post(
    "/clients/{client}/secrets",
    status_code=201,
    operation_id="create_secret",
    response_model=NewSecretOut,
    responses=_WRITES,
)
@opens(*SCOPES, redact=("client_secret",))
async def add_secret(client: ClientId, body: SecretIn, by: Admin, tx: Tx) -> JSONBytes:
    """Give a client a further secret, shown this once. Of two live ones the older ends."""
    return JSONBytes(await organizations.add_secret(tx, by, client, body), 201)
