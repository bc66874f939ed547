-- Consultations, and the clock of each. Frozen: a change is a new revision.
CREATE TABLE baton.consultation (
  tenant_id UUID NOT NULL,
  partner_id UUID NOT NULL,
  id UUID NOT NULL,
  n BIGINT GENERATED ALWAYS AS IDENTITY,
  lead_id UUID NOT NULL,
  status TEXT NOT NULL,
  purpose TEXT NOT NULL,
  question TEXT NOT NULL,
  stage TEXT NOT NULL,
  from_organization_id UUID NOT NULL,
  from_role TEXT NOT NULL,
  to_organization_id UUID NOT NULL,
  to_role TEXT NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
  due_at TIMESTAMP WITH TIME ZONE,
  decision JSONB,
  PRIMARY KEY (tenant_id, id, partner_id),
  FOREIGN KEY(tenant_id, lead_id, partner_id) REFERENCES baton.lead (tenant_id, id, partner_id),
  CONSTRAINT consultation_status CHECK (status in ('requested', 'answered', 'declined', 'withdrawn'))
);
CREATE INDEX consultation_of_lead ON baton.consultation (tenant_id, lead_id, n);
CREATE INDEX consultation_open ON baton.consultation (tenant_id, lead_id) WHERE status = 'requested';
CREATE INDEX consultation_waiting ON baton.consultation (tenant_id, to_organization_id, due_at) WHERE status = 'requested';

ALTER TABLE baton.clock ADD COLUMN IF NOT EXISTS consultation_id UUID;
