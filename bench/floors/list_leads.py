"""The floor of GET /v1/leads: one query for the same rows and columns, `json` for the same document."""

import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.floors.pool import lifespan

_PAGE = """
select l.id, l.partner_id, l.external_id, l.test, l.status, l.stage, l.owner_organization_id, l.owner_role, l.company,
  l.provenance, l.context, l.completeness, l.missing, l.decision, l.outcome, l.due, l.updated_partner, l.created_at,
  c.document as contact, a.assignee, m.document as metadata, k.status as claim, k.expires_at
from (
  select * from floor.lead where tenant_id = $1 and partner_id = $2 and not test
  order by created_at desc, id desc limit 51
) l
left join floor.contact c on c.tenant_id = l.tenant_id and c.lead_id = l.id and c.partner_id = l.partner_id
left join floor.assignment a on a.tenant_id = l.tenant_id and a.lead_id = l.id and a.organization_id = $2
  and a.partner_id = l.partner_id
left join floor.annotation m on m.tenant_id = l.tenant_id and m.subject_id = l.id and m.organization_id = $2
  and m.partner_id = l.partner_id
left join floor.claimed_lead j on j.tenant_id = l.tenant_id and j.lead_id = l.id and j.partner_id = l.partner_id
left join floor.claim k on k.tenant_id = j.tenant_id and k.id = j.claim_id and k.partner_id = j.partner_id
order by l.created_at desc, l.id desc
"""


def _read(text: str | None) -> object:
    return None if text is None else json.loads(text)


async def page(request: Request) -> Response:
    """Answer the first page."""
    whose = request.app.state.whose
    rows = await request.app.state.pool.fetch(_PAGE, whose["tenant_id"], whose["partner_id"])
    items = [
        {
            "id": f"lead_{row['id'].hex}",
            "external_id": row["external_id"],
            "program": "smb-inside-sales",
            "partner": f"org_{row['partner_id'].hex}",
            "company": json.loads(row["company"]),
            "contact": _read(row["contact"]),
            "provenance": json.loads(row["provenance"]),
            "context": {
                **json.loads(row["context"]),
                "completeness": row["completeness"],
                "missing": json.loads(row["missing"]),
            },
            "metadata": _read(row["metadata"]) or {},
            "test": row["test"],
            "status": row["status"],
            "stage": row["stage"],
            "owner": {
                "role": row["owner_role"],
                "organization_id": f"org_{row['owner_organization_id'].hex}",
                "assignee": row["assignee"],
            },
            "playbook": {"program": "smb-inside-sales", "version": 1},
            "due": json.loads(row["due"]),
            "decision": _read(row["decision"]),
            "outcome": _read(row["outcome"]),
            "created_at": row["created_at"].isoformat(),
            "updated_at": row["updated_partner"].isoformat(),
            "claim": {"status": row["claim"], "expires_at": row["expires_at"].isoformat(), "extendable": True},
        }
        for row in rows[:50]
    ]
    document = {"items": items, "next_cursor": f"{rows[49]['created_at']} {rows[49]['id']}" if len(rows) > 50 else None}
    return Response(json.dumps(document, ensure_ascii=False, separators=(",", ":")), media_type="application/json")


app = Starlette(routes=[Route("/v1/leads", page)], lifespan=lifespan)
