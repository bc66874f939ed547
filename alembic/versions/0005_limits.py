"""Limits: what each client may send, and the permits that processes lease.

Revision ID: 0005
"""

from pathlib import Path

from alembic import op
from app.db.migrate import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
OWN = f"{TENANT} and organization_id = (select baton.oid())"
OF_CLIENT = f"""{TENANT} and exists (select 1 from baton.client c
  where c.tenant_id = client_limit.tenant_id and c.id = client_limit.client_id)"""  # noqa: S608  # own texts
ANY = "true"

SELECT, INSERT, UPDATE, DELETE = "select", "insert", "update", "delete"

# table -> login -> (predicate, verbs): an admin of the tenant sets figures, a partner reads its own.
ACCESS = {
    "client_limit": {
        "partner": (OF_CLIENT, (SELECT,)),
        "internal": (TENANT, (SELECT, INSERT, UPDATE, DELETE)),
        "auth": (ANY, (SELECT,)),
    },
    "organization_limit": {
        "partner": (OWN, (SELECT,)),
        "internal": (TENANT, (SELECT, INSERT, UPDATE, DELETE)),
        "auth": (ANY, (SELECT,)),
    },
    "permit": {"auth": (ANY, (SELECT, INSERT, UPDATE)), "worker": (ANY, (SELECT, DELETE))},
}


def upgrade() -> None:
    op.execute("set local lock_timeout = '4s'")
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql").read_text("utf-8"))
    for table, logins in ACCESS.items():
        for login, (predicate, verbs) in logins.items():
            for verb in verbs:
                using = "" if verb == INSERT else f" using ({predicate})"
                check = f" with check ({predicate})" if verb in (INSERT, UPDATE) else ""
                op.execute(f"grant {verb} on baton.{table} to baton_{login}")
                op.execute(f"create policy {login}_{verb} on baton.{table} for {verb} to baton_{login}{using}{check}")
        op.execute(f"alter table baton.{table} enable row level security")
        op.execute(f"alter table baton.{table} force row level security")


def downgrade() -> None:
    op.execute("set local lock_timeout = '4s'")
    op.execute("drop function baton.lease_permits")
    op.execute("drop table baton.permit")
    op.execute("drop table baton.organization_limit")
    op.execute("drop table baton.client_limit")
