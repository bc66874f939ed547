-- What clients may send, and the permits that processes lease. Frozen: a change is a new revision.
CREATE TABLE baton.client_limit (
  tenant_id UUID NOT NULL,
  client_id UUID NOT NULL,
  policy TEXT NOT NULL,
  per_minute INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, client_id, policy),
  FOREIGN KEY(tenant_id, client_id) REFERENCES baton.client (tenant_id, id),
  CONSTRAINT client_limit_policy CHECK (policy in ('bulk', 'default', 'token', 'write')),
  CONSTRAINT client_limit_bounds CHECK (per_minute between 1 and 600000)
);

CREATE TABLE baton.organization_limit (
  tenant_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  policy TEXT NOT NULL,
  per_minute INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, organization_id, policy),
  FOREIGN KEY(tenant_id, organization_id) REFERENCES baton.organization (tenant_id, id),
  CONSTRAINT organization_limit_policy CHECK (policy in ('bulk', 'default', 'token', 'write')),
  CONSTRAINT organization_limit_bounds CHECK (per_minute between 1 and 600000)
);

CREATE UNLOGGED TABLE baton.permit (
  tenant_id UUID NOT NULL,
  subject TEXT NOT NULL,
  policy TEXT NOT NULL,
  tat TIMESTAMP WITH TIME ZONE NOT NULL,
  leases BIGINT[] NOT NULL,
  held INTEGER[] NOT NULL,
  until TIMESTAMP WITH TIME ZONE[] NOT NULL,
  PRIMARY KEY (tenant_id, subject, policy)
)
 WITH (fillfactor = 50);

-- Settles what a lease has spent and fills it up again: GCRA whose permits leave in blocks. What is leased and not yet
-- accounted for stays reserved: time does not restore it, so all processes together stay within the policy at every
-- instant. What was spent counts as spent when the last of it was; what a lease held when it ran out, as spent then.
-- Runs with the caller's rights, in real time; one round trip, one row.
CREATE FUNCTION baton.lease_permits(
  a_policy text, a_client uuid, an_address text, a_lease bigint, a_spent int, idle_s float, usual int, window_s float,
  life_s float, out held int, out quota int, out rest int, out wait_s float)
  LANGUAGE plpgsql VOLATILE
  SET search_path = pg_catalog, pg_temp AS $$
declare
  nobody constant uuid := '00000000-0000-0000-0000-000000000000';
  tenant uuid;
  named constant text := coalesce(a_client::text, an_address);
  counted baton.permit;
  kept_leases bigint[] := '{}';
  kept_held int[] := '{}';
  kept_until timestamptz[] := '{}';
  moment timestamptz;
  spent int;
  reserved int := 0;
  free float;
  more int;
begin
  if a_client is not null then
    select c.tenant_id, coalesce(l.per_minute, o.per_minute) into tenant, quota
      from baton.client c
      left join baton.client_limit l
        on l.tenant_id = c.tenant_id and l.client_id = c.id and l.policy = a_policy
      left join baton.organization_limit o
        on o.tenant_id = c.tenant_id and o.organization_id = c.organization_id and o.policy = a_policy
      where c.id = a_client;
  end if;
  tenant := coalesce(tenant, nobody);
  quota := coalesce(quota, usual);
  loop
    select * into counted from baton.permit p
      where p.tenant_id = tenant and p.subject = named and p.policy = a_policy for no key update;
    exit when found;
    insert into baton.permit values (tenant, named, a_policy, clock_timestamp(), '{}', '{}', '{}')
      on conflict do nothing;
  end loop;
  moment := clock_timestamp();
  held := 0;
  for i in 1 .. cardinality(counted.leases) loop
    if counted.leases[i] = a_lease then
      held := counted.held[i];
    elsif counted.until[i] <= moment then
      counted.tat := greatest(counted.tat, counted.until[i])
        + make_interval(secs => counted.held[i] * window_s / quota);
    else
      kept_leases := kept_leases || counted.leases[i];
      kept_held := kept_held || counted.held[i];
      kept_until := kept_until || counted.until[i];
      reserved := reserved + counted.held[i];
    end if;
  end loop;
  spent := least(a_spent, held);
  held := held - spent;
  if spent > 0 then
    counted.tat := greatest(counted.tat, moment - make_interval(secs => idle_s))
      + make_interval(secs => spent * window_s / quota);
  end if;
  free := quota - reserved - held - greatest(extract(epoch from counted.tat - moment), 0) * quota / window_s;
  more := greatest(least(floor(free)::int, least(greatest(quota / 200, 1), 256) - held), 0);
  held := held + more;
  rest := greatest(floor(free)::int - more, 0);
  wait_s := greatest(1 - free, 0) * window_s / quota;
  if held > 0 then
    kept_leases := kept_leases || a_lease;
    kept_held := kept_held || held;
    kept_until := kept_until || moment + make_interval(secs => life_s);
  end if;
  update baton.permit p
    set tat = counted.tat, leases = kept_leases, held = kept_held, until = kept_until
    where p.tenant_id = tenant and p.subject = named and p.policy = a_policy;
end $$;
REVOKE ALL ON FUNCTION baton.lease_permits FROM PUBLIC;
GRANT EXECUTE ON FUNCTION baton.lease_permits TO baton_auth;
