"""Identity: public keys and networks of clients, clients that a partner manages itself, lanes of the suspended.

Revision ID: 0004
"""

from alembic import op
from app.db.migrate import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
OWN = f"{TENANT} and organization_id = (select baton.oid())"
ANY = "true"

S, I, U, D = "select", "insert", "update", "delete"  # noqa: E741  # the verbs of the table below

LIMITS = "set local lock_timeout = '3s'; set local statement_timeout = '30s';"

TABLES = """
alter table baton.lane add column if not exists suspended boolean not null default false;
create table baton.suspension (
  tenant_id uuid not null,
  id uuid not null,
  organization_id uuid not null,
  queued_at timestamptz not null,
  primary key (tenant_id, id),
  foreign key (tenant_id, organization_id) references baton.organization (tenant_id, id)
);
alter table baton.organization add column if not exists not_before timestamptz;
alter table baton.client
  add column if not exists networks text[] not null default '{}',
  add column if not exists self_managed boolean not null default false;
create table baton.client_key (
  tenant_id uuid not null,
  id uuid not null,
  client_id uuid not null,
  kid text not null,
  jwk jsonb not null,
  expires_at timestamptz not null,
  created_at timestamptz not null,
  last_used_at timestamptz,
  primary key (tenant_id, id),
  foreign key (tenant_id, client_id) references baton.client (tenant_id, id)
);
create index client_key_by_client on baton.client_key (tenant_id, client_id);
create table baton.spent_assertion (
  tenant_id uuid not null,
  client_id uuid not null,
  jti text not null,
  expires_at timestamptz not null,
  primary key (tenant_id, client_id, jti),
  foreign key (tenant_id, client_id) references baton.client (tenant_id, id)
);
create index spent_assertion_expired on baton.spent_assertion (expires_at);
"""


def _of_client(table: str) -> str:
    """The predicate of rows whose client the login may see."""
    return f"{TENANT} and exists (select 1 from baton.client c where c.tenant_id = {table}.tenant_id and c.id = {table}.client_id)"  # noqa: E501, S608


# table -> login -> (predicate, verbs)
NEW = {
    "client_key": {
        "partner": (_of_client("client_key"), (S, I, U)),
        "internal": (_of_client("client_key"), (S, I, U)),
        "auth": (ANY, (S, U)),
    },
    "suspension": {"internal": (TENANT, (I,)), "worker": (ANY, (S, D))},
    "spent_assertion": {"auth": (ANY, (S, I, U, D))},
}
# The tenant neither sees nor commands what a partner manages by itself; what a partner touches, it manages.
NARROWER = {
    ("client", "internal", S): f"{TENANT} and not self_managed",
    ("client", "internal", I): f"{TENANT} and not self_managed",
    ("client", "internal", U): f"{TENANT} and not self_managed",
    ("client", "partner", I): f"{OWN} and self_managed",
    ("client_secret", "internal", S): _of_client("client_secret"),
    ("client_secret", "internal", I): _of_client("client_secret"),
    ("client_secret", "internal", U): _of_client("client_secret"),
}
BEFORE = {
    ("client", "internal", S): TENANT,
    ("client", "internal", I): TENANT,
    ("client", "internal", U): TENANT,
    ("client", "partner", I): OWN,
    ("client_secret", "internal", S): TENANT,
    ("client_secret", "internal", I): TENANT,
    ("client_secret", "internal", U): TENANT,
}


def _policy(table: str, login: str, verb: str, *, using: str, check: str) -> None:
    clauses = (f" using ({using})" if verb != I else "") + (f" with check ({check})" if verb in (I, U) else "")
    op.execute(f"create policy {login}_{verb} on baton.{table} for {verb} to baton_{login}{clauses}")


def _replace(policies: dict[tuple[str, str, str], str], *, partner_takes: str) -> None:
    for (table, login, verb), predicate in policies.items():
        op.execute(f"drop policy {login}_{verb} on baton.{table}")
        _policy(table, login, verb, using=predicate, check=predicate)
    op.execute("drop policy partner_update on baton.client")
    _policy("client", "partner", U, using=OWN, check=partner_takes)


def upgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), TABLES)
    for table, logins in NEW.items():
        for login, (predicate, verbs) in logins.items():
            for verb in verbs:
                op.execute(f"grant {verb} on baton.{table} to baton_{login}")
                _policy(table, login, verb, using=predicate, check=predicate)
        op.execute(f"alter table baton.{table} enable row level security")
        op.execute(f"alter table baton.{table} force row level security")
    _replace(NARROWER, partner_takes=f"{OWN} and self_managed")


def downgrade() -> None:
    # The columns stay: nobody reads them in the release before, and none is taken from under a running one.
    run_script(op.get_bind(), LIMITS)
    _replace(BEFORE, partner_takes=OWN)
    run_script(
        op.get_bind(), "drop table baton.suspension; drop table baton.spent_assertion; drop table baton.client_key;"
    )
