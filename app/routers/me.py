"""Who am I: the caller's organisation, roles, scopes and programs."""

from fastapi import APIRouter

from app.routers.edge import BatonRoute, Caller, JSONBytes, Tx, opens
from app.schemas.identity import MeOut
from app.services import organizations

router = APIRouter(prefix="/v1", route_class=BatonRoute, tags=["me"])


@router.get("/me", operation_id="get_me", response_model=MeOut)
@opens()
async def read_me(by: Caller, tx: Tx) -> JSONBytes:
    """Say who this token belongs to, what it opens, and which programs it takes part in."""
    return JSONBytes(await organizations.describe_caller(tx, by))
