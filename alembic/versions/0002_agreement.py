"""Agreement: counter-proposals, declined versions, review days, pilots; who agreed is hidden from other partners.

Revision ID: 0002
"""

from alembic import op
from app.db.migrate import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
ANY = "true"
MEMBER = f"""{TENANT} and exists (select 1 from baton.enrolment e
  where e.tenant_id = playbook.tenant_id and e.program_id = playbook.program_id)"""  # noqa: S608
KNOWN = "(organization_id in ((select baton.oid()), (select baton.tid())))"
OF_PLAYBOOK = (
    "exists (select 1 from baton.playbook p where p.tenant_id = {table}.tenant_id and p.id = {table}.playbook_id)"
)

S, I, U, D = "select", "insert", "update", "delete"  # noqa: E741  # the verbs of the table below

# Waiting for a lock must not make requests queue behind it; nothing here touches a large table.
LIMITS = "set local lock_timeout = '3s'; set local statement_timeout = '30s';"

TABLES = """
alter table baton.program
  add column if not exists product text,
  add column if not exists pilot boolean not null default false;
alter table baton.playbook
  add column if not exists answers_id uuid,
  add column if not exists review_on date,
  add column if not exists document_hash text,
  add column if not exists announced text,
  drop constraint if exists playbook_answers,
  add constraint playbook_answers foreign key (tenant_id, answers_id) references baton.playbook (tenant_id, id);
create table baton.declination (
  tenant_id uuid not null,
  playbook_id uuid not null,
  organization_id uuid,
  client_id uuid,
  comment text not null,
  declined_at timestamptz not null,
  primary key (tenant_id, playbook_id),
  foreign key (tenant_id, playbook_id) references baton.playbook (tenant_id, id)
);
create table baton.playbook_review (
  tenant_id uuid not null,
  playbook_id uuid not null,
  due_at timestamptz not null,
  primary key (tenant_id, playbook_id),
  foreign key (tenant_id, playbook_id) references baton.playbook (tenant_id, id)
);
create index playbook_review_due on baton.playbook_review (due_at);
"""

# table -> login -> verb -> predicate
NEW = {
    "declination": {
        "partner": {
            S: f"{TENANT} and (organization_id is null or {KNOWN}) and {OF_PLAYBOOK.format(table='declination')}",
            I: f"{TENANT} and organization_id = (select baton.oid()) and {OF_PLAYBOOK.format(table='declination')}",
        },
        "internal": {S: TENANT, I: f"{TENANT} and organization_id = (select baton.oid())"},
        "worker": {S: TENANT, I: TENANT},
    },
    "playbook_review": {"worker": {S: ANY, I: TENANT, D: ANY}},
}

# Who else agreed or proposed, and the queue of all versions, were left to the application alone.
NARROWER = {
    ("agreement", "partner", S): f"{TENANT} and {KNOWN} and {OF_PLAYBOOK.format(table='agreement')}",
    ("agreement", "partner", I): (
        f"{TENANT} and organization_id = (select baton.oid()) and {OF_PLAYBOOK.format(table='agreement')}"
    ),
    ("agreement", "internal", I): f"{TENANT} and organization_id = (select baton.oid())",
    ("playbook", "partner", I): f"{MEMBER} and proposed_by = (select baton.oid()) and status = 'proposed'",
    **{
        ("ratification", "partner", verb): f"{TENANT} and {OF_PLAYBOOK.format(table='ratification')}"
        for verb in (S, I, U)
    },
    ("playbook", "internal", I): f"{TENANT} and proposed_by = (select baton.oid()) and status = 'proposed'",
}
BEFORE = {
    ("agreement", "partner", S): f"{TENANT} and {OF_PLAYBOOK.format(table='agreement')}",
    ("agreement", "partner", I): f"{TENANT} and {OF_PLAYBOOK.format(table='agreement')}",
    ("agreement", "internal", I): TENANT,
    ("playbook", "partner", I): MEMBER,
    ("playbook", "internal", I): TENANT,
    **{("ratification", "partner", verb): TENANT for verb in (S, I, U)},
}


def _policy(table: str, login: str, verb: str, *, using: str | None = None, check: str | None = None) -> None:
    clauses = (f" using ({using})" if using else "") + (f" with check ({check})" if check else "")
    op.execute(f"create policy {login}_{verb} on baton.{table} for {verb} to baton_{login}{clauses}")


def _held(table: str, login: str, verb: str, predicate: str) -> None:
    check = predicate if verb in (I, U) else None
    _policy(table, login, verb, using=None if verb == I else predicate, check=check)


def _replace(policies: dict[tuple[str, str, str], str]) -> None:
    for (table, login, verb), predicate in policies.items():
        op.execute(f"drop policy {login}_{verb} on baton.{table}")
        _held(table, login, verb, predicate)


def upgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), TABLES)
    for table, logins in NEW.items():
        for login, verbs in logins.items():
            for verb, predicate in verbs.items():
                op.execute(f"grant {verb} on baton.{table} to baton_{login}")
                _held(table, login, verb, predicate)
        op.execute(f"alter table baton.{table} enable row level security")
        op.execute(f"alter table baton.{table} force row level security")
    _replace(NARROWER)
    # A side may only decline what is open; it is the worker that puts a version in force.
    for login, member in (("partner", MEMBER), ("internal", TENANT)):
        op.execute(f"grant update (status) on baton.playbook to baton_{login}")
        _policy(
            "playbook", login, U, using=f"{member} and status = 'proposed'", check=f"{member} and status = 'declined'"
        )


def downgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    for login in ("partner", "internal"):
        op.execute(f"drop policy {login}_update on baton.playbook")
        op.execute(f"revoke update (status) on baton.playbook from baton_{login}")
    _replace(BEFORE)
    # The columns stay: nobody reads them in the release before, and none is taken from under a running one.
    run_script(op.get_bind(), "drop table baton.playbook_review; drop table baton.declination;")
