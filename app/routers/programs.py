"""Programs: opened and changed by the client's organisation."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.domain import errors
from app.routers.deps import Caller, IfMatch, Tx
from app.routers.edge import BatonRoute, JSONBytes, document, opens
from app.schemas.programs import ProgramIn, ProgramOut, ProgramPatch
from app.services import programs

router = APIRouter(prefix="/v1", tags=["programs"], route_class=BatonRoute)

Program = Annotated[str, Path(description="key or id", max_length=64)]


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
    """Rename it, move it to another calendar, or name all that take part: more of them widen a pilot."""
    shown, tag = await programs.change(tx, by, program, body, f'"{if_match}"')
    return JSONBytes(shown, headers={"ETag": tag})
