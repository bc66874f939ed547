"""Versions of a playbook: what they change, who agreed to them, and how they are declined or checked."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain import errors
from app.routers import problems
from app.routers.deps import Caller, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.routers.media import preferred
from app.schemas.programs import (
    AgreeIn,
    AgreementsOut,
    DeclineIn,
    DiffOut,
    DocumentIn,
    LintOut,
    PlaybookDetail,
    PlaybookOut,
    PlaybooksOut,
    ProposalIn,
)
from app.services import agreements

router = APIRouter(prefix="/v1", tags=["programs"], route_class=BatonRoute)

MAX_DOCUMENT = 1024 * 1024  # bytes of a body that holds a playbook


async def playbook_id(playbook: Annotated[str, Path(description="`pbk_…`")]) -> UUID:
    """Return the playbook version that the path names."""
    return agreements.read_id(playbook)


Program = Annotated[str, Path(description="key or id", max_length=64)]
PlaybookId = Annotated[UUID, Depends(playbook_id)]
Against = Annotated[str | None, Query(description="The version to compare with; else the one in force.", max_length=40)]
Language = Annotated[Literal["en", "ja"] | None, Query(description="Of a page; else by Accept-Language.")]

_DIFFS = ("application/json", "text/markdown")
_EXPORTS = ("application/json", "text/csv")
_BOM = "\ufeff"  # without it Excel takes the names for another encoding


_SHEET = (
    "program,version,playbook,decision,organization,organization_name,client,at,comment,document_hash\r\n"
    "smb-inside-sales,1,pbk_…,agreed,org_…,株式会社サンプル商事,,2026-11-20T01:30:00Z,,9f86d081884c7d65…\r\n"
)
_PAGE = (
    "# Changes of smb-inside-sales: version 1 → 2\n\n## Clocks\n\n- Answer to a handover: 240 → 120 business minutes\n"
)


def _also(kind: str, example: str) -> dict[int | str, dict[str, object]]:
    content = {kind: {"schema": {"type": "string"}, "example": example}}
    return {200: {"content": content, "description": "By Accept."}}


@router.get(
    "/programs/{program}/playbooks",
    operation_id="list_playbooks",
    summary="List playbook versions",
    response_model=PlaybooksOut,
    responses=document(errors.NotFoundError),
)
@opens("playbooks:read")
async def versions(program: Program, tx: Tx, by: Caller) -> JSONBytes:
    """Every version, the newest first, with who has agreed; `answers` ties a counter-proposal to what it answers."""
    return JSONBytes({"items": await agreements.versions(tx, by, program), "next_cursor": None})


@router.post(
    "/programs/{program}/playbooks",
    status_code=201,
    operation_id="propose_playbook",
    summary="Propose a playbook version",
    response_model=PlaybookOut,
    responses=document(
        errors.NotFoundError, errors.NotPermittedError, errors.PlaybookInvalidError, errors.ConflictError
    ),
)
@opens("playbooks:write", max_body=MAX_DOCUMENT)
async def propose(program: Program, body: ProposalIn, tx: Tx, by: Caller) -> JSONBytes:
    """Propose rules; they take effect when every organisation that takes part has agreed.

    `answers` makes it a counter-proposal: the version that it answers is declined, and the thread is kept.
    """
    shown = await agreements.propose(tx, by, program, body)
    return JSONBytes(shown, 201, {"Location": f"/v1/playbooks/{shown['id']}"})


@router.get(
    "/programs/{program}/agreements",
    operation_id="export_agreements",
    summary="Export who agreed to what and when",
    response_model=AgreementsOut,
    responses=document(errors.NotFoundError) | _also("text/csv", _SHEET),
)
@opens("playbooks:read", produces=_EXPORTS)
async def export(request: Request, program: Program, tx: Tx, by: Caller) -> Response:
    """Every agreement and refusal with the hash of the rules; as JSON, or as CSV for a spreadsheet."""
    if preferred(request.headers.get("accept", ""), _EXPORTS) == _EXPORTS[0]:
        _, rows = await agreements.export(tx, by, program)
        return JSONBytes({"items": rows, "next_cursor": None}, headers={"Vary": "Accept"})
    key, text = await agreements.export_sheet(tx, by, program)
    headers = {"Content-Disposition": f'attachment; filename="agreements-{key}.csv"', "Vary": "Accept"}
    return Response(_BOM + text, headers=headers, media_type="text/csv; charset=utf-8")


@router.post(
    "/playbooks/lint",
    operation_id="lint_playbook",
    summary="Check a playbook",
    response_model=LintOut,
    responses=document(errors.PayloadTooLargeError),
)
@opens("playbooks:read", max_body=MAX_DOCUMENT)
async def lint(body: DocumentIn) -> JSONBytes:
    """Say what is wrong with a document and how to mend it, and show its rules one a line; stores nothing."""
    return JSONBytes(await agreements.lint(body))


@router.get(
    "/playbooks/{playbook}",
    operation_id="get_playbook_version",
    summary="Read a playbook version",
    response_model=PlaybookDetail,
    responses=document(errors.NotFoundError),
)
@opens("playbooks:read")
async def read(playbook: PlaybookId, tx: Tx, by: Caller) -> JSONBytes:
    """Read its rules, and who agreed to them when."""
    return JSONBytes(await agreements.read(tx, by, playbook))


@router.get(
    "/playbooks/{playbook}/diff",
    operation_id="diff_playbook",
    summary="Read what a version changes",
    response_model=DiffOut,
    responses=document(errors.NotFoundError, errors.ValidationFailedError) | _also("text/markdown", _PAGE),
)
@opens("playbooks:read", produces=_DIFFS)
async def diff(
    request: Request, playbook: PlaybookId, tx: Tx, by: Caller, against: Against = None, lang: Language = None
) -> Response:
    """Read the changes as sentences in English and Japanese; as JSON, or as a page in Markdown."""
    if preferred(request.headers.get("accept", ""), _DIFFS) == _DIFFS[0]:
        return JSONBytes(await agreements.diff(tx, by, playbook, against), headers={"Vary": "Accept"})
    language = lang or ("ja" if problems.prefers_japanese(request.scope) else "en")
    page = await agreements.diff_page(tx, by, playbook, against, language)
    headers = {"Content-Language": language, "Vary": "Accept, Accept-Language"}
    return Response(page, headers=headers, media_type="text/markdown; charset=utf-8")


@router.post(
    "/playbooks/{playbook}/agree",
    operation_id="agree_playbook",
    summary="Agree to a playbook version",
    response_model=PlaybookOut,
    responses=document(
        errors.NotFoundError, errors.NotPermittedError, errors.ConflictError, errors.PlaybookInvalidError
    ),
)
@opens("playbooks:write")
async def agree(playbook: PlaybookId, tx: Tx, by: Caller, body: AgreeIn | None = None) -> JSONBytes:
    """Agree for your organisation; the last agreement puts the version in force."""
    del body  # nothing to say; an empty object is as good as none
    return JSONBytes(await agreements.agree(tx, by, playbook))


@router.post(
    "/playbooks/{playbook}/decline",
    operation_id="decline_playbook",
    summary="Decline a playbook version",
    response_model=PlaybookOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError, errors.ConflictError),
)
@opens("playbooks:write")
async def decline(playbook: PlaybookId, body: DeclineIn, tx: Tx, by: Caller) -> JSONBytes:
    """Decline for your organisation, with a reason; a proposal that `answers` it says what you would agree to."""
    return JSONBytes(await agreements.decline(tx, by, playbook, body))
