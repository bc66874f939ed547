"""Rotate partitions by their names only: whether another table's name was read as a date was the planner's choice.

Revision ID: 0008
"""

from alembic import op
from app.db.migrate import run_script

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LIMITS = "set local lock_timeout = '3s'; set local statement_timeout = '30s';"

# A condition on a name may be tried on every table of the catalogue before the join says whose partitions are meant.
_BY_NAME = (
    "case when c.relname ~ ('^' || parent.name || '_[0-9]{8}$')"
    " then to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - parent.days else false end"
)
_BEFORE = "to_date(right(c.relname, 8), 'YYYYMMDD') < current_date - parent.days"


def _function(is_old: str) -> str:
    return f"""
create or replace function baton.rotate_partitions() returns void language plpgsql security definer
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
      where i.inhparent = to_regclass('baton.' || parent.name) and {is_old}
    loop
      execute format('drop table baton.%I', child);
    end loop;
  end loop;
end $$;
"""  # noqa: S608  # the program's own texts


def upgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), _function(_BY_NAME))


def downgrade() -> None:
    run_script(op.get_bind(), LIMITS)
    run_script(op.get_bind(), _function(_BEFORE))
