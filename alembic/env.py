"""Runs the revisions on the connection that `app.db.migrate` hands over; never opens one of its own."""

from sqlmodel import SQLModel

import app.models.consultations
import app.models.delivery
import app.models.handovers
import app.models.identity
import app.models.leads
import app.models.ledger
import app.models.limits
import app.models.obligations
import app.models.programs  # noqa: F401  # the imports fill the metadata
from alembic import context
from app.models.columns import SCHEMA


def _ours(thing: object, name: str | None, kind: str, reflected: bool, _: object) -> bool:
    """Leave out the daily partitions, which `baton.rotate_partitions` makes, and Alembic's own table."""
    del thing
    made_by_rotation = reflected and kind == "table" and name is not None and name[-8:].isdigit()
    return not made_by_rotation and name != "alembic_version"


context.configure(
    connection=context.config.attributes.get("connection"),
    url="postgresql+asyncpg://",
    target_metadata=SQLModel.metadata,
    version_table_schema=SCHEMA,
    include_schemas=True,
    include_object=_ours,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
