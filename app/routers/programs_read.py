"""Programs as their members read them, the playbook in force, the form, daily totals of calls, and calendars."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from app.domain import errors
from app.routers import problems
from app.routers.deps import Caller, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.media import preferred
from app.routers.paging import Listed, answer
from app.schemas.program_reads import (
    CalendarIn,
    CalendarOut,
    CalendarsOut,
    CallCountIn,
    CallCountOut,
    FormOut,
    PlaybookInForce,
    ProgramOut,
    ProgramPage,
)
from app.services import calendars, program_reads

router = APIRouter(prefix="/v1", tags=["programs"], route_class=BatonRoute)

Program = Annotated[str, Path(description="key or id", max_length=64)]
Language = Annotated[Literal["en", "ja"] | None, Query(description="Of a page; else by Accept-Language.")]

_ONE = document(errors.NotFoundError)
_FORMS = ("application/json", "text/markdown", "text/html")
_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGES = {200: {"content": {kind: {"schema": {"type": "string"}} for kind in _FORMS[1:]}, "description": "By Accept."}}


@router.get(
    "/programs",
    operation_id="list_programs",
    summary="List programs",
    response_model=ProgramPage,
    responses=document(errors.InvalidCursorError),
)
@opens()
async def list_programs(request: Request, wanted: Listed, tx: Tx, by: Caller) -> JSONBytes:
    """List the programs that your organisation takes part in."""
    return answer(request, await program_reads.programs(tx, by, wanted))


@router.get(
    "/programs/{program}",
    operation_id="get_program",
    summary="Read a program",
    response_model=ProgramOut,
    responses=_ONE,
)
@opens()
async def get_program(program: Program, tx: Tx, by: Caller) -> JSONBytes:
    """Read one program by its key or id; its ETag goes into a PATCH."""
    shown, tag = await program_reads.program(tx, by, program)
    return JSONBytes(shown, headers={"ETag": tag})


@router.get(
    "/programs/{program}/playbook",
    operation_id="get_playbook",
    summary="Read the playbook in force",
    response_model=PlaybookInForce,
    responses=_ONE | _PAGES,
)
@opens(produces=_FORMS)
async def get_playbook(request: Request, program: Program, tx: Tx, by: Caller, lang: Language = None) -> Response:
    """Read the rules as JSON, or as a page in Markdown or HTML, in English or Japanese."""
    kind = preferred(request.headers.get("accept", ""), _FORMS)
    if kind == _FORMS[0]:
        return JSONBytes(await program_reads.playbook(tx, by, program), headers={"Vary": "Accept"})
    language = lang or ("ja" if problems.prefers_japanese(request.scope) else "en")
    page = await program_reads.playbook_page(tx, by, program, kind, language)
    return _page(page, kind, language)


@router.get(
    "/programs/{program}/form",
    operation_id="get_form",
    summary="Read the context form",
    response_model=FormOut,
    responses=_ONE,
)
@opens()
async def get_form(program: Program, tx: Tx, by: Caller) -> JSONBytes:
    """Read what is asked about a lead, at which stage, and what stays closed without an answer."""
    return JSONBytes(await program_reads.context_form(tx, by, program))


@router.put(
    "/programs/{program}/call-counts/{day}",
    operation_id="put_call_count",
    summary="Count a day's calls",
    response_model=CallCountOut,
    responses=_ONE | document(errors.NotPermittedError),
)
@opens("leads:write")
async def put_call_count(program: Program, day: date, body: CallCountIn, tx: Tx, by: Caller) -> JSONBytes:
    """Say how many calls went to numbers that became no lead: totals of your organisation, never of a caller."""
    return JSONBytes(await program_reads.put_call_count(tx, by, program, day, body))


@router.get(
    "/calendars",
    operation_id="list_calendars",
    summary="List calendars",
    response_model=CalendarsOut,
    responses=document(errors.NotPermittedError),
)
@opens("admin")
async def list_calendars(tx: Tx, by: Caller) -> JSONBytes:
    """List the newest version of every calendar."""
    return JSONBytes({"items": await calendars.listed(tx, by)})


@router.put(
    "/calendars/{key}",
    operation_id="put_calendar",
    summary="Write a calendar",
    response_model=CalendarOut,
    responses=document(errors.NotPermittedError, errors.ValidationFailedError),
)
@opens("admin")
async def put_calendar(
    key: Annotated[str, Path(json_schema_extra={"pattern": calendars.KEY.pattern})],
    body: CalendarIn,
    tx: Tx,
    by: Caller,
) -> JSONBytes:
    """Write the next version of a calendar. Clocks that run keep the version that they started on."""
    return JSONBytes(await calendars.put(tx, by, key, body.model_dump(mode="json", exclude_none=True)))


def _page(text: str, kind: str, language: str) -> Response:
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language", "Content-Security-Policy": _CSP}
    return Response(text, headers=headers, media_type=f"{kind}; charset=utf-8")
