"""The floor of POST /v1/leads: parse, insert the same seven rows in one statement, answer a document of that size."""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.floors.pool import lifespan

_KNOWN = [
    "/company", "/company/corporate_number", "/company/domain", "/company/employees", "/company/industry",
    "/company/name", "/company/phone", "/contact", "/contact/email", "/contact/name", "/contact/phone",
    "/contact/role", "/contact/title", "/context", "/context/bant", "/context/bant/authority",
    "/context/bant/authority/value", "/context/bant/budget", "/context/bant/budget/value", "/context/bant/need",
    "/context/bant/need/value", "/context/bant/timeline", "/context/bant/timeline/value", "/context/concerns",
    "/context/expectations", "/context/next_step", "/context/next_step/due_on", "/context/next_step/what",
    "/context/pain_points", "/context/personality", "/context/temperature", "/context/temperature_basis",
    "/provenance", "/provenance/acquired_on", "/provenance/appi_relation", "/provenance/basis",
    "/provenance/source_kind",
]  # fmt: skip
_INSERT = """
with l as (
  insert into floor.lead (tenant_id, id, partner_id, program_id, playbook_id, writer_id, external_id, test, status,
    stage, owner_organization_id, owner_role, owner_n, company, company_key, corporate_number, domain, phone,
    provenance, context, completeness, missing, decision, outcome, due, due_at, posted_hash, body_hash,
    version_internal, version_partner, updated_internal, updated_partner, created_at)
  values ($1, $2, $3, $4, $5, $3, $6, $7, 'received', $8, $3, $9, 1, $10, $11, $12, $13, $14, $15, $16, 1, '[]', null,
    null, '[]', null, $17, $17, 1, 1, $18, $18, $18)
), o as (
  insert into floor.ownership (tenant_id, partner_id, lead_id, n, organization_id, role, from_at)
  values ($1, $3, $2, 1, $3, $9, $18)
), c as (
  insert into floor.contact (tenant_id, partner_id, lead_id, document) values ($1, $3, $2, $19)
), a as (
  insert into floor.adjudication (tenant_id, partner_id, lead_id, queued_at) values ($1, $3, $2, $18)
), e as (
  insert into floor.event (tenant_id, id, at, type, actor_client, actor_role, request_id, traceparent, lead_id,
    partner_id, sides, test, data)
  values ($1, $20, $18, 'lead.received', $3, $9, $21, null, $2, $3, 'both', $7, $22)
)
insert into floor.outbox (tenant_id, organization_id, partner_id, lead_id, event_id, type, at, test, page, splice, body)
values ($1, $1, $3, $2, $20, 'lead.received', $18, $7, false, $23, $24),
  ($1, $3, $3, $2, $20, 'lead.received', $18, $7, false, $23, $24)
"""


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def post(request: Request) -> Response:
    """Take one lead."""
    raw = await request.body()
    body = json.loads(raw)
    whose = request.app.state.whose
    partner_id = request.app.state.partner_id
    lead_id, event_id, now = uuid4(), uuid4(), datetime.now(UTC)
    at = now.isoformat()
    company, context, provenance = body["company"], body["context"], body["provenance"]
    owner = {"role": whose["owner_role"], "organization_id": f"org_{partner_id.hex}"}
    playbook = {"program": body["program"], "version": 1}
    fact = {
        "program": body["program"],
        "stage": whose["stage"],
        "playbook": playbook,
        "owner": owner,
        "industry": company["industry"],
        "source_kind": provenance["source_kind"],
        "pain_categories": [point["category"] for point in context["pain_points"]],
        "contact_role": body["contact"]["role"],
        "completeness": 1.0,
        "known": _KNOWN,
    }
    head = _text({"id": f"evt_{event_id.hex}", "type": "lead.received", "timestamp": at, "tenant": "ten_"})
    told = {
        "lead_id": f"lead_{lead_id.hex}",
        "external_id": body["external_id"],
        "lead_sequence": 1,
        "test": body["test"],
        "program": body["program"],
        "status": "received",
        "stage": whose["stage"],
        "company": {"name": company["name"]},
    }
    await request.app.state.pool.execute(
        _INSERT,
        whose["tenant_id"],
        lead_id,
        partner_id,
        whose["program_id"],
        whose["playbook_id"],
        body["external_id"],
        body["test"],
        whose["stage"],
        whose["owner_role"],
        _text(company),
        company["name"],
        company["corporate_number"],
        company["domain"],
        company["phone"],
        _text(provenance),
        _text(context),
        hashlib.sha256(raw).digest(),
        now,
        _text(body["contact"]),
        event_id,
        f"req_{event_id.hex}",
        _text(fact),
        len(head),
        f'{head[:-1]},"data":{_text(told)}}}',
    )
    answer = {
        **body,
        "id": f"lead_{lead_id.hex}",
        "partner": f"org_{partner_id.hex}",
        "context": {**context, "completeness": 1.0, "missing": []},
        "metadata": {},
        "status": "received",
        "stage": whose["stage"],
        "owner": {**owner, "assignee": None},
        "playbook": playbook,
        "due": [],
        "decision": None,
        "outcome": None,
        "created_at": at,
        "updated_at": at,
    }
    return Response(_text(answer), 201, media_type="application/json")


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.partner_id = uuid4()  # of its own: what is listed stays as it is
    async with lifespan(app):
        yield


app = Starlette(routes=[Route("/v1/leads", post, methods=["POST"])], lifespan=_lifespan)
