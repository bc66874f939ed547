"""The spine: every table, its row-level policies and grants, and the functions that policies and clocks read.

Revision ID: 0001
"""

from pathlib import Path

from alembic import op
from app.db.migrate import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT = "tenant_id = (select baton.tid())"
OWN = f"{TENANT} and organization_id = (select baton.oid())"
LEAD = f"{TENANT} and partner_id = (select baton.oid())"
ANY = "true"

FUNCTIONS = """
create function baton.tid() returns uuid language sql stable parallel safe
  return nullif(current_setting('baton.tenant_id', true), '')::uuid;
create function baton.oid() returns uuid language sql stable parallel safe
  return nullif(current_setting('baton.organization_id', true), '')::uuid;
create function baton.cid() returns uuid language sql stable parallel safe
  return nullif(current_setting('baton.client_id', true), '')::uuid;
create function baton.now() returns timestamptz language sql stable parallel safe
  return pg_catalog.now();
create function baton.rotate_partitions() returns void language plpgsql security definer
  set search_path = pg_catalog, pg_temp as $$
declare
  parent record;
  day date;
  child text;
begin
  perform pg_advisory_xact_lock(hashtext('baton.rotate_partitions'));
  for parent in select * from (values ('feed', 90), ('attempt', 30)) as kept(name, days) loop
    for day in select generate_series(current_date - 1, current_date + 7, interval '1 day')::date loop
      child := parent.name || '_' || to_char(day, 'YYYYMMDD');
      if to_regclass('baton.' || child) is null then
        execute format('create table baton.%I partition of baton.%I for values from (%L) to (%L)',
          child, parent.name, day, day + 1);
        execute format('alter table baton.%I enable row level security', child);
        execute format('alter table baton.%I force row level security', child);
      end if;
    end loop;
    for child in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = to_regclass('baton.' || parent.name)
        and to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - parent.days
    loop
      execute format('drop table baton.%I', child);
    end loop;
  end loop;
end $$;
revoke all on function baton.rotate_partitions() from public;
grant execute on function baton.rotate_partitions() to baton_worker;
"""


def _within(table: str, match: str) -> str:
    """The predicate of rows that hang on a row of another table which the login may see."""
    return f"{TENANT} and exists (select 1 from baton.{table} where {match})"  # noqa: S608  # the program's own texts


S, I, U, D = "select", "insert", "update", "delete"  # noqa: E741  # the verbs of the table below

# table -> login -> (predicate, verbs).
ACCESS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "tenant": {"internal": (TENANT, (S, I)), "auth": (ANY, (S,))},
    "organization": {
        "partner": (f"{TENANT} and id in ((select baton.oid()), (select baton.tid()))", (S,)),
        "internal": (TENANT, (S, I, U)),
        "auth": (ANY, (S,)),
        "worker": (TENANT, (S,)),
    },
    "client": {"partner": (OWN, (S, I, U)), "internal": (TENANT, (S, I, U)), "auth": (ANY, (S, U))},
    "client_secret": {
        "partner": (
            _within("client c", "c.tenant_id = client_secret.tenant_id and c.id = client_secret.client_id"),
            (S, I, U),
        ),
        "internal": (TENANT, (S, I, U)),
        "auth": (ANY, (S, U, D)),
    },
    "signing_key": {"auth": (ANY, (S, I, U))},
    "revoked_token": {"auth": (ANY, (S, I, D))},
    "enrolment": {"partner": (LEAD, (S,)), "internal": (TENANT, (S, I, U, D)), "worker": (TENANT, (S,))},
    "program": {
        "partner": (
            _within("enrolment e", "e.tenant_id = program.tenant_id and e.program_id = program.id"),
            (S, U),
        ),
        "internal": (TENANT, (S, I, U)),
        "worker": (TENANT, (S, U)),
    },
    "playbook": {
        "partner": (
            _within("enrolment e", "e.tenant_id = playbook.tenant_id and e.program_id = playbook.program_id"),
            (S, I),
        ),
        "internal": (TENANT, (S, I)),
        "worker": (TENANT, (S, U)),
    },
    "agreement": {
        "partner": (
            _within("playbook p", "p.tenant_id = agreement.tenant_id and p.id = agreement.playbook_id"),
            (S, I),
        ),
        "internal": (TENANT, (S, I)),
        "worker": (TENANT, (S,)),
    },
    "ratification": {"partner": (TENANT, (S, I, U)), "internal": (TENANT, (S, I, U)), "worker": (ANY, (S, D))},
    "calendar": {"partner": (TENANT, (S,)), "internal": (TENANT, (S, I)), "worker": (TENANT, (S,))},
    "call_count": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S,))},
    "lead": {"partner": (LEAD, (S, U)), "internal": (TENANT, (S, I, U)), "worker": (TENANT, (S, U))},
    "contact": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S, I, U))},
    "ownership": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S, I, U)), "worker": (TENANT, (S, I, U))},
    "assignment": {
        "partner": (f"{LEAD} and organization_id = (select baton.oid())", (S, I, U, D)),
        "internal": (OWN, (S, I, U, D)),
    },
    "annotation": {
        "partner": (f"{LEAD} and organization_id = (select baton.oid())", (S, I, U, D)),
        "internal": (OWN, (S, I, U, D)),
    },
    "note": {
        "partner": (f"{LEAD} and (visibility = 'shared' or organization_id = (select baton.oid()))", (S, I)),
        "internal": (f"{TENANT} and (visibility = 'shared' or organization_id = (select baton.oid()))", (S, I)),
    },
    "activity": {"partner": (LEAD, (S, I)), "internal": (TENANT, (S, I)), "worker": (TENANT, (S,))},
    "claim": {"partner": (LEAD, (S,)), "internal": (TENANT, (S, U)), "worker": (TENANT, (S, I, U))},
    "claim_key": {"internal": (TENANT, (S,)), "worker": (TENANT, (S, I, D))},
    "claimed_lead": {"partner": (LEAD, (S,)), "internal": (TENANT, (S,)), "worker": (TENANT, (S, I))},
    "adjudication": {"partner": (LEAD, (I,)), "internal": (TENANT, (I,)), "worker": (ANY, (S, D, U))},
    "handover": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S, I, U)), "worker": (TENANT, (S, U))},
    "handover_step": {"partner": (LEAD, (S, I)), "internal": (TENANT, (S, I)), "worker": (TENANT, (S,))},
    "outcome": {"partner": (LEAD, (S, I)), "internal": (TENANT, (S, I)), "worker": (TENANT, (S,))},
    "outcome_response": {"partner": (LEAD, (S, I)), "internal": (TENANT, (S,)), "worker": (TENANT, (S,))},
    "feedback": {"partner": (LEAD, (S,)), "internal": (TENANT, (S, I)), "worker": (TENANT, (S,))},
    "feed": {"partner": (OWN, (S,)), "internal": (OWN, (S,)), "worker": (ANY, (S, I))},
    "feed_counter": {"worker": (ANY, (S, I, U))},
    "idempotency": {
        "partner": (f"{TENANT} and client_id = (select baton.cid())", (S, I, U)),
        "internal": (f"{TENANT} and client_id = (select baton.cid())", (S, I, U)),
        "worker": (ANY, (S, D)),
    },
    "lead_import": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S,))},
    "lead_import_row": {"partner": (LEAD, (S, I)), "internal": (TENANT, (S,))},
    "clock": {"partner": (LEAD, (S, I, U)), "internal": (TENANT, (S, I, U)), "worker": (ANY, (S, I, U))},
    "escalation": {"partner": (LEAD, (S, U)), "internal": (TENANT, (S, I, U)), "worker": (ANY, (S, I, U))},
    "endpoint": {"partner": (OWN, (S, I, U)), "internal": (OWN, (S, I, U)), "worker": (ANY, (S, U))},
    "destination": {"internal": (TENANT, (S, I, U)), "worker": (ANY, (S,))},
    "lane": {"partner": (OWN, (S, I, U)), "internal": (OWN, (S, I, U)), "worker": (ANY, (S, U))},
    "delivery": {"partner": (OWN, (S, I, U)), "internal": (OWN, (S, I, U)), "worker": (ANY, (S, I, U, D))},
    "attempt": {"partner": (OWN, (S,)), "internal": (OWN, (S,)), "worker": (ANY, (S, I))},
}

# The external ids of another writer are not probed for by posting in its name.
OWN_LEAD = f"{LEAD} and writer_id = (select baton.oid())"

# What a login writes may lie beyond what it reads: the ledger, and the other side's outbox rows.
WRITE_APART = {
    "event": {
        "partner": (f"{LEAD} and sides <> 'internal'", LEAD),
        "internal": (f"{TENANT} and sides <> 'partner'", TENANT),
        "worker": (TENANT, TENANT),
    },
    "outbox": {"partner": (None, LEAD), "internal": (None, TENANT), "worker": (ANY, ANY)},
}

# A digest is for the auth login alone; the others may see that a secret exists and when it ends.
COLUMNS = {
    ("client_secret", "partner"): "tenant_id, id, client_id, expires_at, created_at, last_used_at",
    ("client_secret", "internal"): "tenant_id, id, client_id, expires_at, created_at, last_used_at",
    ("tenant", "internal"): "tenant_id, key, name, created_at",
}


def _policy(table: str, login: str, verb: str, *, using: str | None = None, check: str | None = None) -> None:
    clauses = (f" using ({using})" if using else "") + (f" with check ({check})" if check else "")
    op.execute(f"create policy {login}_{verb} on baton.{table} for {verb} to baton_{login}{clauses}")


# What names a lead and who wrote it never changes: moving it would meet the external ids of others.
CHANGEABLE = {
    ("lead", "partner"): "playbook_id, status, stage, owner_organization_id, owner_role, owner_n, company, company_key,"
    " corporate_number, domain, phone, provenance, context, completeness, missing, decision, outcome, due, due_at,"
    " body_hash, version_internal, version_partner, updated_internal, updated_partner",
}


def _grant(table: str, login: str, verb: str) -> None:
    columns = {S: COLUMNS, U: CHANGEABLE}.get(verb, {}).get((table, login))
    what = f"{verb} ({columns})" if columns else verb
    op.execute(f"grant {what} on baton.{table} to baton_{login}")


def upgrade() -> None:
    run_script(op.get_bind(), FUNCTIONS)
    run_script(op.get_bind(), Path(__file__).with_suffix(".sql").read_text("utf-8"))
    for table, logins in ACCESS.items():
        for login, (predicate, verbs) in logins.items():
            for verb in verbs:
                _grant(table, login, verb)
                _policy(
                    table,
                    login,
                    verb,
                    using=None if verb == I else predicate,
                    check=predicate if verb in (I, U) else None,
                )
    for table, logins in WRITE_APART.items():
        for login, (readable, writable) in logins.items():
            _grant(table, login, I)
            _policy(table, login, I, check=writable)
            if readable is not None:
                _grant(table, login, S)
                _policy(table, login, S, using=readable)
    _grant("lead", "partner", I)
    _policy("lead", "partner", I, check=OWN_LEAD)
    _grant("outbox", "worker", D)
    _policy("outbox", "worker", D, using=ANY)
    for table in (*ACCESS, *WRITE_APART):
        op.execute(f"alter table baton.{table} enable row level security")
        op.execute(f"alter table baton.{table} force row level security")
    op.execute("select baton.rotate_partitions()")


def downgrade() -> None:
    op.execute("drop schema baton cascade")
    op.execute("create schema baton")
