"""Consultations: the question of a lead's owner to a consulted role, and the clock of each.

Revision ID: 0003
"""

from pathlib import Path

from alembic import op
from app.db.migrate import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
LEAD = f"{TENANT} and partner_id = (select baton.oid())"

SELECT, INSERT, UPDATE = "select", "insert", "update"

# login -> (predicate, verbs): a partner reaches the questions about its own leads, whoever asked.
ACCESS = {
    "partner": (LEAD, (SELECT, INSERT, UPDATE)),
    "internal": (TENANT, (SELECT, INSERT, UPDATE)),
    "worker": (TENANT, (SELECT, UPDATE)),
}


def upgrade() -> None:
    op.execute("set local lock_timeout = '4s'")
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql").read_text("utf-8"))
    for login, (predicate, verbs) in ACCESS.items():
        for verb in verbs:
            using = "" if verb == INSERT else f" using ({predicate})"
            check = f" with check ({predicate})" if verb in (INSERT, UPDATE) else ""
            op.execute(f"grant {verb} on baton.consultation to baton_{login}")
            op.execute(f"create policy {login}_{verb} on baton.consultation for {verb} to baton_{login}{using}{check}")
    op.execute("alter table baton.consultation enable row level security")
    op.execute("alter table baton.consultation force row level security")


def downgrade() -> None:
    # The clock's column stays: nobody reads it in the release before, and it is not taken from under a running one.
    op.execute("set local lock_timeout = '4s'")
    op.execute("drop table baton.consultation")
