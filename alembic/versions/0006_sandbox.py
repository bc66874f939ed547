"""The sandbox: test endpoints, deliveries and imports, a feed of their own, and test clients that see nothing else.

Revision ID: 0006
"""

from alembic import op
from app.db.migrate import run_script

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# The new keys of the feed are built under a lock; no release has a feed yet whose writers could wait for it.
LIMITS = "set local lock_timeout = '4s';"

TABLES = """
alter table baton.event add column if not exists played boolean not null default false;
alter table baton.endpoint add column if not exists test boolean not null default false;
alter table baton.delivery add column if not exists test boolean not null default false;
alter table baton.lead_import add column if not exists test boolean not null default false;
alter table baton.feed drop constraint feed_pkey,
  add primary key (tenant_id, organization_id, test, sequence, published_on);
alter table baton.feed_counter add column if not exists test boolean not null default false;
alter table baton.feed_counter drop constraint feed_counter_pkey, add primary key (tenant_id, organization_id, test);
create or replace function baton.sandboxed() returns boolean language sql stable parallel safe
  return coalesce(current_setting('baton.test', true), '') = 'on';
"""

BOTH = "baton_partner, baton_internal"
TENANT = "tenant_id = (select baton.tid())"
LEAD = f"{TENANT} and partner_id = (select baton.oid())"
FREE = "not (select baton.sandboxed())"


def _hangs_on(table: str, parent: str, key: str, also: str = "") -> str:
    """The predicate of rows that hang on a row of another table which a test client may see."""
    return (
        f"{FREE} or exists (select 1 from baton.{parent} p"  # noqa: S608  # the program's own texts
        f" where p.tenant_id = {table}.tenant_id and p.id = {table}.{key}{also})"
    )


def _of_lead(table: str) -> str:
    return _hangs_on(table, "lead", "lead_id", f" and p.partner_id = {table}.partner_id")


FLAGGED = ("lead", "event", "outbox", "feed", "clock", "escalation", "endpoint", "delivery", "lead_import")
"""Tables that say themselves what is a test."""
CHILDREN = (
    "note", "activity", "assignment", "feedback", "outcome", "outcome_response", "consultation", "claim",
    "claimed_lead",
)  # fmt: skip
# One statement writes these with their lead, which a policy would not see yet: their foreign key holds them to it.
BORN_WITH_LEAD = ("ownership", "contact", "annotation", "handover")

RESTRICTED = {
    **dict.fromkeys(FLAGGED, f"test or {FREE}"),
    **{table: _of_lead(table) for table in CHILDREN},
    "handover_step": _hangs_on("handover_step", "handover", "handover_id"),
    "lead_import_row": _hangs_on("lead_import_row", "lead_import", "import_id"),
    "claim_key": _hangs_on("claim_key", "claim", "claim_id"),
    "lane": _hangs_on("lane", "endpoint", "id"),
    "attempt": _hangs_on("attempt", "delivery", "delivery_id"),
    "call_count": FREE,
}

# Who plays the other side writes in its place, in the caller's own transaction: on the caller's own test leads alone.
OWN_TEST = (
    f"{LEAD} and exists (select 1 from baton.lead p where p.tenant_id = {{table}}.tenant_id"  # noqa: S608
    " and p.id = {table}.lead_id and p.partner_id = {table}.partner_id and p.test)"
)
PLAYED = {
    ("adjudication", "select"): OWN_TEST.format(table="adjudication"),
    ("adjudication", "delete"): OWN_TEST.format(table="adjudication"),
    ("escalation", "insert"): f"{LEAD} and test",
    ("feedback", "insert"): OWN_TEST.format(table="feedback"),
}


def upgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), TABLES)
    for table, predicate in RESTRICTED.items():
        op.execute(f"create policy sandbox on baton.{table} as restrictive to {BOTH} using ({predicate})")
    for table in BORN_WITH_LEAD:
        for verb in ("select", "update", "delete"):
            op.execute(
                f"create policy sandbox_{verb} on baton.{table} as restrictive for {verb} to {BOTH}"
                f" using ({_of_lead(table)})"
            )
    for (table, verb), predicate in PLAYED.items():
        clause = "with check" if verb == "insert" else "using"
        op.execute(f"grant {verb} on baton.{table} to baton_partner")
        op.execute(
            f"create policy partner_play_{verb} on baton.{table} for {verb} to baton_partner {clause} ({predicate})"
        )


def downgrade() -> None:
    # The columns, the function and the wider keys stay: the release before reads past them.
    run_script(op.get_bind(), LIMITS)
    for table, verb in PLAYED:
        op.execute(f"drop policy partner_play_{verb} on baton.{table}")
        op.execute(f"revoke {verb} on baton.{table} from baton_partner")
    for table in BORN_WITH_LEAD:
        for verb in ("select", "update", "delete"):
            op.execute(f"drop policy sandbox_{verb} on baton.{table}")
    for table in RESTRICTED:
        op.execute(f"drop policy sandbox on baton.{table}")
