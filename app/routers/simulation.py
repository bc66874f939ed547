"""The trial of a playbook on past leads, answered line by line."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.domain import errors
from app.routers.edge import BatonRoute, BodyKind, BodyStream, Caller, Store, document, fields, opens, strict_json
from app.schemas.simulation import SimulationIn, SimulationLine
from app.services import simulation

router = APIRouter(prefix="/v1/playbooks", tags=["programs"], route_class=BatonRoute)

_MIB = 1024 * 1024
_NDJSON: Final = "application/x-ndjson"
_PATIENCE_S: Final = 30.0
"""A reader that takes nothing for so long is gone: its snapshot is given up."""
_ASKED = {"playbook": "pbk_mfrggzdfmztwq2lknnwg23tpob", "from": "2026-10-01", "to": "2026-10-31"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": SimulationIn.model_json_schema(), "example": _ASKED}},
    }
}
_PROGRESS = {"type": "progress", "leads": 200, "of": 1250, "events": 2034}


class _Line(JSONResponse):
    """One line, for the document: what is not JSON to it has no schema there."""

    media_type = _NDJSON


class _Lines(StreamingResponse):
    """Lines of JSON. However the answer ends, what makes the lines is ended with it."""

    media_type = _NDJSON

    def __init__(self, lines: AsyncGenerator[bytes]) -> None:
        super().__init__(lines)
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines as they are made."""

        async def patiently(message: Message) -> None:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await send(message)
            except TimeoutError:
                raise ClientDisconnect from None

        async with aclosing(self._lines):
            await super().__call__(scope, receive, patiently)


async def _asked(parts: AsyncIterator[bytes]) -> SimulationIn:
    value = strict_json.parse(b"".join([part async for part in parts]))
    try:
        return SimulationIn.model_validate(value)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False, include_input=False)]
        raise errors.ValidationFailedError(
            "Some fields are not valid.", errors=fields.errors_of(found, value)
        ) from None


async def _rendered(lines: AsyncGenerator[dict[str, Any]]) -> AsyncGenerator[bytes]:
    """Yield the lines as bytes. The first comes before the answer begins, so that a refusal is one."""
    async with aclosing(lines):
        async for line in lines:
            yield to_json(line) + b"\n"


async def _after(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    async with aclosing(rest):
        yield first
        async for line in rest:
            yield line


@router.post(
    "/simulate",
    operation_id="simulate_playbook",
    summary="Try a playbook on past leads",
    response_class=_Line,
    response_model=SimulationLine,
    response_description="One object a line; the last is the summary. An answer that ends without it broke off.",
    responses={
        **document(errors.NotFoundError, errors.NotPermittedError, errors.PlaybookInvalidError, errors.OverloadedError),
        200: {"content": {_NDJSON: {"example": _PROGRESS}}},
    },
    openapi_extra=_BODY,
)
@opens("playbooks:read", max_body=_MIB, body=BodyKind.STREAM, produces=(_NDJSON,))
async def simulate(parts: BodyStream, store: Store, by: Caller) -> StreamingResponse:
    """What a playbook would have refused, which clocks would have been missed and who would have been told when.

    Every command of the past is decided anew in the state in which it was given; what happened stands, so one refusal
    does not hide those after it. Nothing is written. A partner's own leads only.
    """
    lines = _rendered(simulation.simulate(store, by, await _asked(parts)))
    return _Lines(_after(await anext(lines), lines))
