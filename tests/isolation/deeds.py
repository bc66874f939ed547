"""What partner A and its client do to A's own leads, one deed of each kind, and whose rows that may change.

Reads and attacks send few statements that write. These do, and so a condition of theirs that is gone shows: a deed is
answered otherwise than before, or changes rows of partner B or of the second tenant.
"""

from typing import Any, Final

from tests.isolation.population import Population, marked_lead
from tests.world import LOST

_OTHERS: Final = """
select c.relname::text as name,
  bool_or(a.attname = 'partner_id') as partner, bool_or(a.attname = 'organization_id') as organization
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'baton'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  and exists (select from pg_attribute t where t.attrelid = c.oid and t.attname = 'tenant_id')
  and c.relname not in ('revoked_token', 'permit')
group by 1 order by 1
"""


async def rows_of_others(people: Population) -> dict[str, str]:
    """Return a digest of each table's rows that are neither partner A's nor its client's."""
    admin = people.world.admin
    tenant, a = await admin.fetchrow(
        "select tenant_id, id from baton.organization where key = 'partner-a' and kind = 'partner'"
    )
    digests: list[str] = []
    for row in await admin.fetch(_OTHERS):
        owners = f"tenant_id <> '{tenant}'"
        if row["partner"]:
            owners += f" or partner_id <> '{a}'"
        elif row["organization"]:
            owners += f" or organization_id not in ('{a}', '{tenant}')"
        elif row["name"] == "client_secret":
            owners += f" or client_id in (select id from baton.client where organization_id not in ('{a}', '{tenant}'))"
        lasting = "(to_jsonb(t) - 'last_used_at')::text"
        digests.append(
            f"select '{row['name']}' as name, md5(coalesce(string_agg({lasting}, '|' order by {lasting}), '')) as digest"
            f" from baton.{row['name']} t where {owners}"
        )
    return {row["name"]: row["digest"] for row in await admin.fetch(" union all ".join(digests))}


def _deeds(people: Population) -> list[tuple[str, str, str, Any]]:
    a, b, inside = (people.objects[owner] for owner in ("a", "b", "i"))
    lead, plain, closed = (f"/v1/leads/{a[kind]}" for kind in ("lead", "lead_plain", "lead_closed"))
    theirs = b["lead_external"].removeprefix("external:")
    note = {"kind": "context", "body": "x", "visibility": "shared", "external_id": "deed"}
    call = {"kind": "call", "at": "2026-11-02T01:00:00Z", "disposition": "connected", "external_id": "deed"}
    question = {"role": "technical", "question": "x"}
    return [
        ("a_all", "POST", f"{plain}/notes", note),
        ("a_all", "POST", f"{plain}/notes", note),
        ("a_all", "POST", f"{plain}/activities", call),
        ("a_all", "POST", f"{plain}/activities", call),
        ("i_all", "POST", f"{plain}/notes", note),
        ("i_all", "POST", f"{plain}/activities", call),
        ("a_all", "POST", "/v1/leads", marked_lead("deed", "mk-b-shared", "x") | {"external_id": theirs}),
        ("b_all", "POST", "/v1/handovers/pull", {"to_role": "internal_sales", "limit": 1}),
        ("a_all", "PATCH", plain, {"context": {"personality": "x"}, "metadata": {"of": "x"}}),
        ("a_all", "PATCH", plain, {"contact": {"name": "x"}}),
        ("a_all", "POST", f"{plain}/assign", {"assignee": "somebody else"}),
        ("a_all", "POST", f"/v1/consultations/{a['consultation']}/withdraw", {}),
        ("a_all", "POST", f"{plain}/consultations", question),
        ("i_all", "POST", f"/v1/outcomes/{a['outcome']}/correct", LOST | {"reason": "timing"}),
        ("a_all", "POST", f"/v1/outcomes/{a['outcome']}/acknowledge", {}),
        ("i_all", "POST", f"/v1/handovers/{a['handover']}/accept", {"assignee": "x"}),
        ("i_all", "POST", f"{lead}/feedback", {"handover_id": a["handover"], "rating": 3, "meeting_held": True}),
        ("i_all", "POST", f"{lead}/feedback", {"handover_id": b["handover_accepted"], "rating": 3}),
        ("i_all", "POST", f"{lead}/advance", {"to": "proposal"}),
        ("i_all", "POST", f"{lead}/outcome", LOST),
        ("i_all", "POST", f"{closed}/reopen", {}),
        ("i_all", "POST", f"/v1/escalations/{a['escalation']}/acknowledge", {}),
        ("i_all", "POST", f"/v1/escalations/{a['escalation']}/waive", {"reason": "x"}),
        ("a_all", "POST", f"{plain}/handovers", {"to_role": "internal_sales", "summary": "x"}),
        ("i_all", "POST", "/v1/handovers/pull", {"to_role": "technical", "limit": 1}),
        ("a_all", "PATCH", f"/v1/webhook-endpoints/{a['endpoint']}", {"description": "x"}),
        ("a_all", "POST", f"/v1/webhook-endpoints/{a['endpoint']}/replays", {"from_sequence": 1, "to_sequence": 9}),
        ("a_all", "POST", f"/v1/deliveries/{a['delivery']}/resend", {}),
        ("a_all", "POST", f"/v1/webhook-endpoints/{a['endpoint']}/test", {}),
        ("a_all", "POST", f"/v1/webhook-endpoints/{a['endpoint']}/rotate-secret", {}),
        ("a_all", "DELETE", f"/v1/webhook-endpoints/{a['endpoint']}", None),
        ("i_all", "PATCH", f"/v1/destinations/{inside['destination']}", {"name": "x"}),
        ("i_all", "DELETE", f"/v1/destinations/{inside['destination']}", None),
        ("i_all", "PATCH", f"/v1/clients/{a['client']}", {"name": "x"}),
        ("i_all", "POST", f"/v1/clients/{a['client']}/secrets", {}),
        ("i_all", "DELETE", f"/v1/clients/{a['client']}", None),
        ("i_all", "PATCH", f"/v1/partners/{a['partner']}", {"name": "x"}),
        ("i_all", "POST", f"/v1/partners/{b['partner']}/invitations/{a['invitation']}/withdraw", {}),
        ("i2_all", "POST", f"/v1/partners/{a['partner']}/invitations/{a['invitation']}/withdraw", {}),
        ("i_all", "POST", f"/v1/partners/{a['partner']}/invitations/{a['invitation']}/withdraw", {}),
        ("i_all", "PATCH", f"/v1/programs/{a['program']}", {"name": "x"}),
        ("a_all", "PUT", f"/v1/programs/{a['program']}/call-counts/2026-11-03", {"calls": 4, "connected": 1}),
        ("a_all", "POST", f"/v1/playbooks/{a['playbook_open']}/decline", {"comment": "x"}),
    ]


async def do_all(people: Population) -> list[str]:
    """Do every deed, one after the other, and return how each was answered."""
    world, said = people.world, []
    for who, method, path, body in _deeds(people):
        headers: dict[str, str] = {}
        if method in {"PATCH", "DELETE"}:
            headers["If-Match"] = (await world.call(who, "GET", path)).headers.get("etag", '"0"')
        answer = await world.call(who, method, path, body, headers=headers)
        told = answer.json() if answer.content else {}
        said.append(f"{who} {method} {path}: {answer.status_code} {told.get('type', '')} {told.get('matched', '')}")
    return said
