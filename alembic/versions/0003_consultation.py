"""Consultations: the question of a lead's owner to a consulted role, and the clock of each.

Revision ID: 0003
"""

from pathlib import Path

from alembic import op
from app.db.migrate import run_script

revision = "0003"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
LEAD = f"{TENANT} and partner_id = (select baton.oid())"

S, I, U = "select", "insert", "update"

# login -> (predicate, verbs): a partner reaches the questions about its own leads, whoever asked.
ACCESS = {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S, I, U)), "worker": (TENANT, (S, U))}


def upgrade() -> None:
    op.execute("set local lock_timeout = '4s'")
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql").read_text("utf-8"))
    for login, (predicate, verbs) in ACCESS.items():
        for verb in verbs:
            using = "" if verb == I else f" using ({predicate})"
            check = f" with check ({predicate})" if verb in (I, U) else ""
            op.execute(f"grant {verb} on baton.consultation to baton_{login}")
            op.execute(f"create policy {login}_{verb} on baton.consultation for {verb} to baton_{login}{using}{check}")
    op.execute("alter table baton.consultation enable row level security")
    op.execute("alter table baton.consultation force row level security")


def downgrade() -> None:
    op.execute("set local lock_timeout = '4s'")
    op.execute("alter table baton.clock drop column consultation_id")
    op.execute("drop table baton.consultation")
