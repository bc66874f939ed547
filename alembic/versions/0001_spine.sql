-- Tables of the spine. Frozen: a change is a new revision. Policies and grants stand beside it in 0001_spine.py.
CREATE TABLE baton.attempt (
  tenant_id UUID NOT NULL,
  delivery_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  n INTEGER NOT NULL,
  day DATE NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  status INTEGER,
  error TEXT,
  duration_ms INTEGER,
  remote_ip TEXT,
  response_head BYTEA,
  timings JSONB,
  PRIMARY KEY (tenant_id, delivery_id, n, day)
)
 PARTITION BY RANGE (day);

CREATE TABLE baton.calendar (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  document JSONB NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, key, version)
);

CREATE TABLE baton.delivery (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  lane_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  message_id TEXT NOT NULL,
  event_id UUID,
  lead_id UUID,
  escalation_id UUID,
  type TEXT NOT NULL,
  sequence BIGINT,
  body TEXT NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  lease_token UUID,
  lease_until TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, lane_id, message_id),
  CONSTRAINT delivery_state CHECK (state in ('pending', 'leased', 'delivered', 'failed', 'cancelled'))
)
 WITH (fillfactor = 80);
CREATE INDEX delivery_due ON baton.delivery (tenant_id, lane_id, due_at) WHERE state = 'pending';
CREATE INDEX delivery_leased ON baton.delivery (lease_until) WHERE state = 'leased';
CREATE INDEX delivery_lead_order ON baton.delivery (tenant_id, lane_id, lead_id, sequence) WHERE state in ('pending', 'leased');
CREATE INDEX delivery_list ON baton.delivery (tenant_id, organization_id, created_at desc, id desc);

CREATE TABLE baton.destination (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  config BYTEA NOT NULL,
  shown JSONB NOT NULL,
  key_mode TEXT NOT NULL,
  status TEXT NOT NULL,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, name),
  CONSTRAINT destination_key_mode CHECK (key_mode in ('escalation', 'step')),
  CONSTRAINT destination_status CHECK (status in ('active', 'deleted'))
);

CREATE TABLE baton.endpoint (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  organization_id UUID NOT NULL,
  url TEXT NOT NULL,
  description TEXT,
  event_types TEXT[] NOT NULL,
  signature TEXT NOT NULL,
  ordering TEXT NOT NULL,
  rate INTEGER,
  status TEXT NOT NULL,
  disabled_reason TEXT,
  secret BYTEA NOT NULL,
  previous_secret BYTEA,
  previous_until TIMESTAMP WITH TIME ZONE,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT endpoint_status CHECK (status in ('pending', 'active', 'disabled', 'deleted')),
  CONSTRAINT endpoint_signature CHECK (signature in ('v1', 'v1a'))
);
CREATE INDEX endpoint_of_organization ON baton.endpoint (tenant_id, organization_id);

CREATE TABLE baton.event (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  type TEXT NOT NULL,
  actor_client UUID,
  actor_role TEXT NOT NULL,
  request_id TEXT NOT NULL,
  traceparent TEXT,
  lead_id UUID,
  partner_id UUID,
  sides TEXT NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  data JSONB NOT NULL,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT event_sides CHECK (sides in ('both', 'internal', 'partner'))
);
CREATE INDEX event_by_type ON baton.event (tenant_id, type, at);
CREATE INDEX event_of_lead ON baton.event (tenant_id, lead_id, n);

CREATE TABLE baton.feed (
  tenant_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  sequence BIGINT NOT NULL,
  published_on DATE NOT NULL,
  event_id UUID NOT NULL,
  lead_id UUID,
  type TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant_id, organization_id, sequence, published_on)
)
 PARTITION BY RANGE (published_on);
CREATE INDEX feed_of_lead ON baton.feed (tenant_id, organization_id, lead_id);

CREATE TABLE baton.feed_counter (
  tenant_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (tenant_id, organization_id)
);

CREATE TABLE baton.idempotency (
  tenant_id UUID NOT NULL,
  client_id UUID NOT NULL,
  key TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,
  status INTEGER NOT NULL,
  headers JSONB NOT NULL,
  body BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (tenant_id, client_id, key)
);
CREATE INDEX idempotency_age ON baton.idempotency (created_at);

CREATE TABLE baton.lane (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  organization_id UUID NOT NULL,
  profile TEXT NOT NULL,
  parked BOOLEAN DEFAULT false NOT NULL,
  next_due_at TIMESTAMP WITH TIME ZONE,
  served_at TIMESTAMP WITH TIME ZONE DEFAULT 'epoch' NOT NULL,
  open_until TIMESTAMP WITH TIME ZONE,
  failures INTEGER NOT NULL,
  failing_since TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id),
  CONSTRAINT lane_profile CHECK (profile in ('feed', 'page'))
);
CREATE INDEX lane_due ON baton.lane (next_due_at) WHERE next_due_at is not null;

CREATE TABLE baton.lead_import (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  format TEXT NOT NULL,
  status TEXT NOT NULL,
  received INTEGER NOT NULL,
  created INTEGER NOT NULL,
  same INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  refused INTEGER NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id, partner_id),
  CONSTRAINT lead_import_status CHECK (status in ('running', 'ended', 'aborted'))
);

CREATE TABLE baton.lead_import_row (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  import_id UUID NOT NULL,
  line INTEGER NOT NULL,
  external_id TEXT,
  result TEXT NOT NULL,
  lead_id UUID,
  problem JSONB,
  PRIMARY KEY (tenant_id, import_id, line, partner_id),
  CONSTRAINT lead_import_row_result CHECK (result in ('created', 'same', 'updated', 'refused'))
);

CREATE TABLE baton.outbox (
  tenant_id UUID NOT NULL,
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  organization_id UUID NOT NULL,
  partner_id UUID,
  lead_id UUID,
  event_id UUID NOT NULL,
  type TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  page BOOLEAN DEFAULT false NOT NULL,
  splice INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX outbox_order ON baton.outbox (id);

CREATE TABLE baton.program (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  playbook_id UUID,
  calendar_id UUID NOT NULL,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id),
  UNIQUE (tenant_id, key),
  CONSTRAINT program_status CHECK (status in ('active', 'ended'))
);

CREATE TABLE baton.revoked_token (
  tenant_id UUID NOT NULL,
  jti TEXT NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, jti)
);

CREATE TABLE baton.signing_key (
  kid TEXT NOT NULL,
  private BYTEA NOT NULL,
  public JSONB NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  active_from TIMESTAMP WITH TIME ZONE NOT NULL,
  retires_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (kid)
);

CREATE TABLE baton.tenant (
  tenant_id UUID NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  hmac_key BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id),
  UNIQUE (key)
);

CREATE TABLE baton.call_count (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  program_id UUID NOT NULL,
  on_date DATE NOT NULL,
  calls INTEGER NOT NULL,
  connected INTEGER NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, partner_id, program_id, on_date),
  FOREIGN KEY(tenant_id, program_id) REFERENCES baton.program (tenant_id, id),
  CONSTRAINT call_count_bounds CHECK (connected >= 0 and calls >= connected)
);

CREATE TABLE baton.organization (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  calendar_id UUID,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY(tenant_id) REFERENCES baton.tenant (tenant_id),
  UNIQUE (tenant_id, key),
  CONSTRAINT organization_kind CHECK (kind in ('internal', 'partner')),
  CONSTRAINT organization_internal_is_tenant CHECK ((kind = 'internal') = (id = tenant_id)),
  CONSTRAINT organization_status CHECK (status in ('active', 'suspended'))
);

CREATE TABLE baton.playbook (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  program_id UUID NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  document JSON NOT NULL,
  comment TEXT NOT NULL,
  proposed_by UUID NOT NULL,
  proposed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  in_force_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY(tenant_id, program_id) REFERENCES baton.program (tenant_id, id),
  UNIQUE (tenant_id, program_id, version),
  CONSTRAINT playbook_status CHECK (status in ('proposed', 'in_force', 'superseded', 'declined'))
);

CREATE TABLE baton.agreement (
  tenant_id UUID NOT NULL,
  playbook_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  client_id UUID NOT NULL,
  agreed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, playbook_id, organization_id),
  FOREIGN KEY(tenant_id, playbook_id) REFERENCES baton.playbook (tenant_id, id)
);

CREATE TABLE baton.client (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  organization_id UUID NOT NULL,
  name TEXT NOT NULL,
  roles TEXT[] NOT NULL,
  scopes TEXT[] NOT NULL,
  status TEXT NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  not_before TIMESTAMP WITH TIME ZONE NOT NULL,
  version INTEGER NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY(tenant_id, organization_id) REFERENCES baton.organization (tenant_id, id),
  CONSTRAINT client_status CHECK (status in ('active', 'suspended', 'deleted'))
);
CREATE INDEX client_by_id ON baton.client (id);

CREATE TABLE baton.enrolment (
  tenant_id UUID NOT NULL,
  program_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  provenance_defaults JSONB NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, program_id, partner_id),
  FOREIGN KEY(tenant_id, program_id) REFERENCES baton.program (tenant_id, id),
  FOREIGN KEY(tenant_id, partner_id) REFERENCES baton.organization (tenant_id, id)
);

CREATE TABLE baton.lead (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  partner_id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  program_id UUID NOT NULL,
  playbook_id UUID NOT NULL,
  writer_id UUID NOT NULL,
  external_id TEXT NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  status TEXT NOT NULL,
  stage TEXT NOT NULL,
  owner_organization_id UUID NOT NULL,
  owner_role TEXT NOT NULL,
  owner_n INTEGER NOT NULL,
  owner_until TIMESTAMP WITH TIME ZONE DEFAULT 'infinity' NOT NULL,
  company JSON NOT NULL,
  company_key TEXT NOT NULL,
  corporate_number TEXT,
  domain TEXT,
  phone TEXT,
  provenance JSON NOT NULL,
  context JSON NOT NULL,
  completeness FLOAT NOT NULL,
  missing JSON NOT NULL,
  decision JSON,
  outcome JSON,
  due JSON NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  posted_hash BYTEA NOT NULL,
  body_hash BYTEA NOT NULL,
  version_internal INTEGER NOT NULL,
  version_partner INTEGER NOT NULL,
  updated_internal TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_partner TIMESTAMP WITH TIME ZONE NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  UNIQUE (tenant_id, writer_id, test, external_id),
  FOREIGN KEY(tenant_id, program_id) REFERENCES baton.program (tenant_id, id),
  FOREIGN KEY(tenant_id, playbook_id) REFERENCES baton.playbook (tenant_id, id),
  CONSTRAINT lead_owner_is_current CHECK (owner_until = 'infinity'),
  CONSTRAINT lead_status CHECK (status in ('received', 'open', 'closed', 'not_accepted'))
);
CREATE INDEX lead_company ON baton.lead (tenant_id, company_key collate "C" text_pattern_ops);
CREATE INDEX lead_created ON baton.lead (tenant_id, partner_id, created_at desc, id desc);
CREATE INDEX lead_created_tenant ON baton.lead (tenant_id, created_at desc, id desc);
CREATE INDEX lead_due ON baton.lead (tenant_id, due_at) WHERE due_at is not null;
CREATE INDEX lead_number ON baton.lead (tenant_id, corporate_number) WHERE corporate_number is not null;
CREATE INDEX lead_domain ON baton.lead (tenant_id, domain) WHERE domain is not null;
CREATE INDEX lead_phone ON baton.lead (tenant_id, phone) WHERE phone is not null;
CREATE INDEX lead_updated ON baton.lead (tenant_id, updated_internal, id);
CREATE INDEX lead_updated_partner ON baton.lead (tenant_id, partner_id, updated_partner, id);

CREATE TABLE baton.activity (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  role TEXT NOT NULL,
  kind TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  disposition TEXT NOT NULL,
  summary TEXT,
  contact_role TEXT,
  external_id TEXT,
  body_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  UNIQUE (tenant_id, partner_id, organization_id, lead_id, external_id),
  CONSTRAINT activity_kind CHECK (kind in ('call', 'mail', 'meeting', 'visit'))
);
CREATE INDEX activity_of_lead ON baton.activity (tenant_id, lead_id, n);

CREATE TABLE baton.adjudication (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, lead_id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id)
);
CREATE INDEX adjudication_queue ON baton.adjudication (tenant_id, n);

CREATE TABLE baton.annotation (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  subject_id UUID NOT NULL,
  document JSON NOT NULL,
  PRIMARY KEY (tenant_id, subject_id, organization_id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id)
);

CREATE TABLE baton.assignment (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  assignee TEXT NOT NULL,
  PRIMARY KEY (tenant_id, lead_id, organization_id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id)
);

CREATE TABLE baton.claim (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  program_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  status TEXT NOT NULL,
  claimed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT claim_status CHECK (status in ('held', 'expired', 'released'))
);
CREATE INDEX claim_of_partner ON baton.claim (tenant_id, partner_id, program_id);

CREATE TABLE baton.client_secret (
  tenant_id UUID NOT NULL,
  id UUID NOT NULL,
  client_id UUID NOT NULL,
  digest BYTEA NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  last_used_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id),
  FOREIGN KEY(tenant_id, client_id) REFERENCES baton.client (tenant_id, id)
);
CREATE INDEX client_secret_by_client ON baton.client_secret (tenant_id, client_id);

CREATE TABLE baton.clock (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  handover_id UUID,
  name TEXT NOT NULL,
  owed_organization_id UUID NOT NULL,
  owed_role TEXT NOT NULL,
  waiting_organization_id UUID NOT NULL,
  waiting_role TEXT NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  state TEXT NOT NULL,
  breached_at TIMESTAMP WITH TIME ZONE,
  stopped_at TIMESTAMP WITH TIME ZONE,
  playbook_id UUID NOT NULL,
  calendar_id UUID NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT clock_state CHECK (state in ('running', 'breached', 'met', 'cancelled'))
);
CREATE INDEX clock_armed ON baton.clock (due_at) WHERE state = 'running';
CREATE INDEX clock_of_lead ON baton.clock (tenant_id, lead_id);
CREATE INDEX clock_owed ON baton.clock (tenant_id, owed_organization_id, due_at) WHERE state in ('running', 'breached');

CREATE TABLE baton.contact (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  document JSON NOT NULL,
  PRIMARY KEY (tenant_id, lead_id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id)
);

CREATE TABLE baton.escalation (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  clock_id UUID NOT NULL,
  status TEXT NOT NULL,
  severity TEXT NOT NULL,
  trigger TEXT NOT NULL,
  drill BOOLEAN DEFAULT false NOT NULL,
  test BOOLEAN DEFAULT false NOT NULL,
  playbook_id UUID NOT NULL,
  calendar_id UUID NOT NULL,
  ladder JSONB NOT NULL,
  step INTEGER NOT NULL,
  next_at TIMESTAMP WITH TIME ZONE,
  due_at TIMESTAMP WITH TIME ZONE NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
  acknowledged_at TIMESTAMP WITH TIME ZONE,
  acknowledged_by JSONB,
  resolved_at TIMESTAMP WITH TIME ZONE,
  timeline JSONB NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT escalation_status CHECK (status in ('open', 'acknowledged', 'resolved')),
  CONSTRAINT escalation_severity CHECK (severity in ('critical', 'error', 'warning', 'info'))
);
CREATE INDEX escalation_armed ON baton.escalation (next_at) WHERE status = 'open' and next_at is not null;
CREATE INDEX escalation_of_lead ON baton.escalation (tenant_id, lead_id);
CREATE UNIQUE INDEX escalation_one_open ON baton.escalation (tenant_id, partner_id, clock_id) WHERE status <> 'resolved';

CREATE TABLE baton.feedback (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  lead_id UUID NOT NULL,
  handover_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  role TEXT NOT NULL,
  meeting_held BOOLEAN,
  rating INTEGER NOT NULL,
  reasons TEXT[] NOT NULL,
  note TEXT,
  next_update_on DATE,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT feedback_rating CHECK (rating between 1 and 5)
);
CREATE INDEX feedback_of_lead ON baton.feedback (tenant_id, lead_id);

CREATE TABLE baton.handover (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  status TEXT NOT NULL,
  from_organization_id UUID NOT NULL,
  from_role TEXT NOT NULL,
  to_organization_id UUID NOT NULL,
  to_role TEXT NOT NULL,
  enters TEXT,
  summary TEXT NOT NULL,
  note TEXT,
  meeting JSONB,
  meeting_at TIMESTAMP WITH TIME ZONE,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  decision JSONB,
  accepted_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT handover_status CHECK (status in ('requested', 'accepted', 'rejected', 'returned', 'answered', 'withdrawn', 'timed_out'))
);
CREATE INDEX handover_of_lead ON baton.handover (tenant_id, lead_id, n);
CREATE UNIQUE INDEX handover_one_pending ON baton.handover (tenant_id, partner_id, lead_id) WHERE status in ('requested', 'returned', 'answered');
CREATE INDEX handover_waiting ON baton.handover (tenant_id, to_organization_id, to_role, due_at) WHERE status in ('requested', 'answered');

CREATE TABLE baton.note (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  organization_id UUID NOT NULL,
  role TEXT NOT NULL,
  kind TEXT NOT NULL,
  visibility TEXT NOT NULL,
  body TEXT NOT NULL,
  external_id TEXT,
  body_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  UNIQUE (tenant_id, partner_id, organization_id, lead_id, external_id),
  CONSTRAINT note_visibility CHECK (visibility in ('shared', 'organization'))
);
CREATE INDEX note_of_lead ON baton.note (tenant_id, lead_id, n);

CREATE TABLE baton.outcome (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  version INTEGER NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  handover_id UUID,
  result TEXT NOT NULL,
  reason TEXT NOT NULL,
  secondary_reasons TEXT[] NOT NULL,
  stated_by TEXT NOT NULL,
  note TEXT,
  learnings TEXT,
  amount NUMERIC,
  annual_value NUMERIC,
  currency TEXT,
  competitor TEXT,
  recoverable BOOLEAN,
  revisit_on DATE,
  stage_at_close TEXT NOT NULL,
  by_role TEXT NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  written_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, version, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT outcome_result CHECK (result in ('won', 'lost', 'pending', 'disqualified')),
  CONSTRAINT outcome_stated_by CHECK (stated_by in ('customer_stated', 'seller_hypothesis', 'partner_hypothesis')),
  CONSTRAINT outcome_pending_is_revisited CHECK (result <> 'pending' or revisit_on is not null)
);
CREATE INDEX outcome_of_lead ON baton.outcome (tenant_id, lead_id, n);

CREATE TABLE baton.outcome_response (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  lead_id UUID NOT NULL,
  outcome_id UUID NOT NULL,
  outcome_version INTEGER NOT NULL,
  kind TEXT NOT NULL,
  reason TEXT,
  note TEXT,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT outcome_response_kind CHECK (kind in ('acknowledged', 'contested'))
);
CREATE INDEX outcome_response_of ON baton.outcome_response (tenant_id, outcome_id);

CREATE TABLE baton.ownership (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  n INTEGER NOT NULL,
  after_n INTEGER,
  organization_id UUID NOT NULL,
  role TEXT NOT NULL,
  from_at TIMESTAMP WITH TIME ZONE NOT NULL,
  until_at TIMESTAMP WITH TIME ZONE DEFAULT 'infinity' NOT NULL,
  PRIMARY KEY (tenant_id, lead_id, n, partner_id),
  CONSTRAINT ownership_link UNIQUE (tenant_id, lead_id, n, until_at, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT ownership_follows FOREIGN KEY(tenant_id, lead_id, after_n, from_at, partner_id) REFERENCES baton.ownership (tenant_id, lead_id, n, until_at, partner_id) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT ownership_numbered CHECK (n >= 1 and after_n is not distinct from nullif(n - 1, 0)),
  CONSTRAINT ownership_forward CHECK (until_at >= from_at)
);
CREATE UNIQUE INDEX ownership_one_current ON baton.ownership (tenant_id, partner_id, lead_id) WHERE until_at = 'infinity';

CREATE TABLE baton.claim_key (
  tenant_id UUID NOT NULL,
  program_id UUID NOT NULL,
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  claim_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  PRIMARY KEY (tenant_id, program_id, kind, value),
  FOREIGN KEY(tenant_id, claim_id, partner_id) REFERENCES baton.claim (tenant_id, id, partner_id)
);

CREATE TABLE baton.claimed_lead (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  lead_id UUID NOT NULL,
  claim_id UUID NOT NULL,
  PRIMARY KEY (tenant_id, lead_id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, claim_id, partner_id) REFERENCES baton.claim (tenant_id, id, partner_id)
);

CREATE TABLE baton.handover_step (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  handover_id UUID NOT NULL,
  kind TEXT NOT NULL,
  items JSONB NOT NULL,
  by_role TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, handover_id, partner_id) REFERENCES baton.handover (tenant_id, id, partner_id),
  CONSTRAINT handover_step_kind CHECK (kind in ('questions', 'answers'))
);
CREATE INDEX handover_step_of ON baton.handover_step (tenant_id, handover_id, n);

CREATE TABLE baton.ratification (
  tenant_id UUID NOT NULL,
  playbook_id UUID NOT NULL,
  queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (tenant_id, playbook_id),
  FOREIGN KEY(tenant_id, playbook_id) REFERENCES baton.playbook (tenant_id, id)
);

ALTER TABLE baton.lead ADD CONSTRAINT lead_has_current_owner FOREIGN KEY(tenant_id, id, owner_n, owner_until, partner_id) REFERENCES baton.ownership (tenant_id, lead_id, n, until_at, partner_id) DEFERRABLE INITIALLY DEFERRED;

-- Small and busy: rows come and go with every change of a lead, so vacuum follows closely.
ALTER TABLE baton.outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE baton.delivery SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
ALTER TABLE baton.lane SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, fillfactor = 70);
