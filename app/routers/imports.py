"""Imports of leads: NDJSON or CSV, taken while the body arrives."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import ValidationError

from app.db.session import Transaction
from app.domain import errors
from app.domain.actor import Actor
from app.domain.limits import Policy
from app.routers.deps import Caller, Kit, Tx
from app.routers.edge import (
    BatonRoute,
    BodyKind,
    BodyStream,
    CurrentExchange,
    JSONBytes,
    Store,
    document,
    fields,
    opens,
    strict_json,
)
from app.schemas.imports import ImportCounts, ImportOut
from app.schemas.leads import LeadIn
from app.services import amendments, intake, kit
from app.services.imports import Import, Means, read

router = APIRouter(prefix="/v1/lead-imports", tags=["leads"], route_class=BatonRoute)

_MIB = 1024 * 1024
_FORMS: dict[bytes, Literal["ndjson", "csv"]] = {b"text/csv": "csv"}


def _validate(value: object) -> LeadIn:
    try:
        return LeadIn.model_validate(value)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False, include_input=False)]
        raise errors.ValidationFailedError(
            "Some fields are not valid.", errors=fields.errors_of(found, value)
        ) from None


async def _take(tx: Transaction, actor: Actor, body: LeadIn) -> tuple[UUID, bool]:
    taken = await intake.take(tx, actor, body)
    return taken.row["id"], taken.created


def _means(held: kit.Kit, *, update: bool) -> Means:
    async def amend(tx: Transaction, actor: Actor, body: LeadIn) -> UUID:
        return (await amendments.overwrite(tx, actor, held, body)).lead.id

    return Means(
        parse=lambda text: strict_json.parse(text.encode()),
        validate=_validate,
        take=_take,
        amend=amend if update else None,
    )


@router.post(
    "",
    status_code=201,
    operation_id="import_leads",
    summary="Import leads",
    response_model=ImportCounts,
    responses=document(errors.ValidationFailedError, errors.NotPermittedError),
)
@opens(
    "leads:write",
    max_body=5 * _MIB,
    policy=Policy.BULK,
    body=BodyKind.STREAM,
    takes=("application/x-ndjson", "application/ndjson", "text/csv"),
)
async def import_leads(
    parts: BodyStream,
    store: Store,
    by: Caller,
    held: Kit,
    exchange: CurrentExchange,
    on_conflict: Annotated[Literal["refuse", "update"], Query()] = "refuse",
) -> JSONBytes:
    """Take NDJSON or CSV, 100 rows a transaction; answers with the counts once the body has ended."""
    form = _FORMS.get(exchange.headers.get(b"content-type", b"").split(b";")[0].strip().lower(), "ndjson")
    counts: dict[str, Any] = await Import(store, by, _means(held, update=on_conflict == "update"), form).run(parts)
    return JSONBytes(counts, 201, {"Location": f"/v1/lead-imports/{counts['id']}"})


@router.get(
    "/{lead_import}",
    operation_id="get_lead_import",
    summary="Results of an import",
    response_model=ImportOut,
    responses=document(errors.NotFoundError),
)
@opens("leads:read", "leads:write")
async def get_import(
    lead_import: str,
    tx: Tx,
    by: Caller,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    result: Annotated[Literal["created", "same", "updated", "refused"] | None, Query()] = None,
) -> JSONBytes:
    """The counts and up to 500 rows after line `after`, also while it runs."""
    return JSONBytes(await read(tx, by, lead_import, after=after, result=result))
