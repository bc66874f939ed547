"""Programs and their playbooks: proposed by either side, in force when all that take part have agreed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from app.domain import errors
from app.routers.deps import Caller, IfMatch, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.programs import AgreeIn, PlaybookOut, PlaybooksOut, ProgramIn, ProgramOut, ProgramPatch, ProposalIn
from app.services import programs

router = APIRouter(prefix="/v1", tags=["programs"], route_class=BatonRoute)

Program = Annotated[str, Path(description="key or id", max_length=64)]


async def playbook_id(playbook: Annotated[str, Path(description="`pbk_…`")]) -> UUID:
    """Return the playbook version that the path names."""
    return programs.read_id(playbook)


@router.post(
    "/programs",
    status_code=201,
    operation_id="create_program",
    summary="Open a program",
    response_model=ProgramOut,
    responses=document(errors.NotPermittedError, errors.ValidationFailedError, errors.ConflictError),
)
@opens("playbooks:write", "admin")
async def create(body: ProgramIn, tx: Tx, by: Caller) -> JSONBytes:
    """Open a collaboration between your organisation and named partners."""
    program = await programs.create(tx, by, body)
    return JSONBytes(program, 201, {"Location": f"/v1/programs/{program['id']}", "ETag": '"1"'})


@router.patch(
    "/programs/{program}",
    operation_id="patch_program",
    summary="Change a program",
    response_model=ProgramOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError, errors.ValidationFailedError),
)
@opens("playbooks:write", "admin", takes=("application/merge-patch+json", "application/json"))
async def change(program: Program, body: ProgramPatch, tx: Tx, by: Caller, if_match: IfMatch) -> JSONBytes:
    """Rename it, move it to another calendar, or name all that take part."""
    shown, tag = await programs.change(tx, by, program, body, f'"{if_match}"')
    return JSONBytes(shown, headers={"ETag": tag})


@router.get(
    "/programs/{program}/playbooks",
    operation_id="list_playbooks",
    summary="List playbook versions",
    response_model=PlaybooksOut,
    responses=document(errors.NotFoundError),
)
@opens("playbooks:read")
async def versions(program: Program, tx: Tx, by: Caller) -> JSONBytes:
    """Every version, the newest first, with who has agreed."""
    return JSONBytes({"items": await programs.versions(tx, by, program), "next_cursor": None})


@router.post(
    "/programs/{program}/playbooks",
    status_code=201,
    operation_id="propose_playbook",
    summary="Propose a playbook version",
    response_model=PlaybookOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError, errors.PlaybookInvalidError),
)
@opens("playbooks:write", max_body=1024 * 1024)
async def propose(program: Program, body: ProposalIn, tx: Tx, by: Caller) -> JSONBytes:
    """Propose rules; they take effect when every organisation that takes part has agreed."""
    return JSONBytes(await programs.propose(tx, by, program, body), 201)


@router.post(
    "/playbooks/{playbook}/agree",
    operation_id="agree_playbook",
    summary="Agree to a playbook version",
    response_model=PlaybookOut,
    responses=document(errors.NotFoundError, errors.NotPermittedError, errors.ConflictError),
)
@opens("playbooks:write")
async def agree(
    playbook: Annotated[UUID, Depends(playbook_id)], tx: Tx, by: Caller, body: AgreeIn | None = None
) -> JSONBytes:
    """Agree for your organisation; the last agreement puts the version in force."""
    del body  # nothing to say; an empty object is as good as none
    return JSONBytes(await programs.agree(tx, by, playbook))
