"""Clients and their credentials: what an admin of the tenant's own organisation or of a partner manages of its own."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.domain import ids
from app.domain.access import refuse_unless_own_administrator
from app.domain.actor import Actor
from app.domain.errors import ConflictError, InvalidCursorError, NotFoundError, NotPermittedError, ValidationFailedError
from app.routers.edge import BatonRoute, Caller, CallerAddress, IfMatch, JSONBytes, Tx, document, opens
from app.routers.organizations import PATCHES, SCOPES, answer_shown
from app.routers.paging import Listed, answer
from app.schemas.identity import (
    ClientIn,
    ClientOut,
    ClientPatch,
    ClientsOut,
    KeyIn,
    NewClientOut,
    NewKeyOut,
    NewSecretOut,
    SecretIn,
)
from app.services import clients

router = APIRouter(prefix="/v1/clients", route_class=BatonRoute, tags=["partners and clients"])

_WRITES: Final = document(NotPermittedError, NotFoundError, ValidationFailedError)
_CHANGES: Final = document(NotPermittedError, NotFoundError, ConflictError, ValidationFailedError)


async def administrator(by: Caller) -> Actor:
    """Return the caller if it administers its organisation; who does not is refused before its fields are looked at."""
    refuse_unless_own_administrator(by)
    return by


Admin = Annotated[Actor, Depends(administrator)]


async def client_id(_: Admin, client: Annotated[str, Path(description="`cli_…`")]) -> UUID:
    """Return the client that the path names."""
    return _id(ids.Prefix.CLIENT, client)


async def secret_id(_: Admin, secret: Annotated[str, Path(description="`sec_…`")]) -> UUID:
    """Return the secret that the path names."""
    return _id(ids.Prefix.SECRET, secret)


async def key_id(_: Admin, public_key: Annotated[str, Path(description="`key_…`")]) -> UUID:
    """Return the public key that the path names."""
    return _id(ids.Prefix.CLIENT_KEY, public_key)


def _id(prefix: ids.Prefix, text: str) -> UUID:
    found = ids.read(prefix, text)
    if found is None:
        raise NotFoundError("There is no such client.")
    return found


ClientId = Annotated[UUID, Depends(client_id)]
SecretId = Annotated[UUID, Depends(secret_id)]
KeyId = Annotated[UUID, Depends(key_id)]


@router.get(
    "",
    operation_id="list_clients",
    response_model=ClientsOut,
    responses=document(NotPermittedError, InvalidCursorError),
)
@opens(*SCOPES)
async def list_clients(request: Request, by: Admin, tx: Tx, wanted: Listed) -> JSONBytes:
    """List the clients of the own organisation, the oldest first."""
    return answer(request, await clients.list_clients(tx, by, by.organization_id, wanted))


@router.post(
    "",
    status_code=201,
    operation_id="create_client",
    response_model=NewClientOut,
    responses=document(NotPermittedError, ValidationFailedError),
)
@opens(*SCOPES, redact=("client_secret",))
async def create_client(body: ClientIn, by: Admin, tx: Tx) -> JSONBytes:
    """Create a client of the own organisation, with keys of its own or a secret that is shown this once.

    Nobody gives a scope that its own token lacks, nor a role that the kind of its organisation does not have.
    """
    shown = await clients.create_client(tx, by, by.organization_id, body)
    return answer_shown(shown, f"/v1/clients/{shown.body['client_id']}")


@router.get(
    "/{client}",
    operation_id="get_client",
    response_model=ClientOut,
    responses=document(NotPermittedError, NotFoundError),
)
@opens(*SCOPES)
async def read_client(client: ClientId, by: Admin, tx: Tx) -> JSONBytes:
    """Read one client of the own organisation, or one of a partner that the tenant manages."""
    return answer_shown(await clients.read_client(tx, by, client))


@router.patch("/{client}", operation_id="patch_client", response_model=ClientOut, responses=_CHANGES)
@opens(*SCOPES, takes=PATCHES)
async def change_client(
    client: ClientId, body: ClientPatch, by: Admin, tx: Tx, tag: IfMatch, address: CallerAddress
) -> JSONBytes:
    """Change what a client may do, suspend or reactivate it; tokens that say otherwise end within 30 seconds."""
    return answer_shown(await clients.change_client(tx, by, client, body, tag, address))


@router.delete("/{client}", status_code=204, operation_id="delete_client", responses=_CHANGES)
@opens(*SCOPES)
async def delete_client(client: ClientId, by: Admin, tx: Tx, tag: IfMatch) -> Response:
    """End a client for good, with its credentials at once and its tokens within 30 seconds."""
    await clients.delete_client(tx, by, client, tag)
    return Response(status_code=204)


@router.post(
    "/{client}/secrets",
    status_code=201,
    operation_id="create_secret",
    response_model=NewSecretOut,
    responses=_WRITES,
)
@opens(*SCOPES, redact=("client_secret",))
async def add_secret(client: ClientId, body: SecretIn, by: Admin, tx: Tx) -> JSONBytes:
    """Give a client a further secret, shown this once. Of two live ones the older ends."""
    return JSONBytes(await clients.add_secret(tx, by, client, body), 201)


@router.delete(
    "/{client}/secrets/{secret}",
    status_code=204,
    operation_id="delete_secret",
    responses=_CHANGES,
)
@opens(*SCOPES)
async def end_secret(client: ClientId, secret: SecretId, by: Admin, tx: Tx, tag: IfMatch) -> Response:
    """End one secret at once, such as the old one after a change-over. `If-Match` names the version of the client."""
    await clients.end_secret(tx, by, client, secret, tag)
    return Response(status_code=204)


@router.post(
    "/{client}/keys",
    status_code=201,
    operation_id="create_key",
    response_model=NewKeyOut,
    responses=_CHANGES,
)
@opens(*SCOPES)
async def add_key(client: ClientId, body: KeyIn, by: Admin, tx: Tx) -> JSONBytes:
    """Register a public key by which the client authenticates (private_key_jwt). Of two live ones the older ends."""
    return JSONBytes(await clients.add_key(tx, by, client, body), 201)


@router.delete(
    "/{client}/keys/{public_key}",
    status_code=204,
    operation_id="delete_key",
    responses=_CHANGES,
)
@opens(*SCOPES)
async def end_key(client: ClientId, public_key: KeyId, by: Admin, tx: Tx, tag: IfMatch) -> Response:
    """End one public key at once. `If-Match` names the version of the client."""
    await clients.end_key(tx, by, client, public_key, tag)
    return Response(status_code=204)
