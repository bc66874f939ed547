"""Invitations: one-time codes by which a partner fetches its own first credential.

Revision ID: 0007
"""

from alembic import op
from app.db.migrate import run_script

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

LIMITS = "set local lock_timeout = '3s'; set local statement_timeout = '30s';"

TABLE = """
create table baton.invitation (
  tenant_id uuid not null,
  id uuid not null,
  organization_id uuid not null,
  digest bytea not null,
  name text not null,
  roles text[] not null,
  scopes text[] not null,
  test boolean not null default false,
  networks text[] not null default '{}',
  created_at timestamptz not null,
  expires_at timestamptz not null,
  redeemed_at timestamptz,
  withdrawn_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references baton.organization (tenant_id, id)
);
create index invitation_by_id on baton.invitation (id);
create index invitation_by_organization on baton.invitation (tenant_id, organization_id);
"""

TENANT = "tenant_id = (select baton.tid())"
OWN = f"{TENANT} and organization_id = (select baton.oid())"

# login -> (verb, columns, predicate). The digest is for the auth login alone, as that of a secret is.
SHOWN = (
    "tenant_id, id, organization_id, name, roles, scopes, test, networks, created_at, expires_at, redeemed_at,"
    " withdrawn_at"
)
GRANTS = {
    "internal": (("select", SHOWN, TENANT), ("insert", "", TENANT), ("update", "withdrawn_at", TENANT)),
    "partner": (("select", SHOWN, OWN), ("update", "redeemed_at", OWN)),
    "auth": (("select", "", "true"),),
}


def upgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), TABLE)
    for login, held in GRANTS.items():
        for verb, columns, predicate in held:
            what = f"{verb} ({columns})" if columns else verb
            using = f" using ({predicate})" if verb != "insert" else ""
            check = f" with check ({predicate})" if verb != "select" else ""
            op.execute(f"grant {what} on baton.invitation to baton_{login}")
            op.execute(f"create policy {login}_{verb} on baton.invitation for {verb} to baton_{login}{using}{check}")
    op.execute("alter table baton.invitation enable row level security")
    op.execute("alter table baton.invitation force row level security")


def downgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), "drop table baton.invitation;")
