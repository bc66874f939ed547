"""The words of the document: what it is about, tags, headers, and examples that no schema gives."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

ABOUT: Final = """\
Baton hands leads from an outsourced sales partner to the in-house team and tells the partner what became of them.

Everything below `/v1` is JSON in `snake_case`, with UTC times by RFC 3339, ids with a typed prefix, and amounts as text
with a currency. Unknown fields are refused in requests; answers may gain members at any time.

**Refusals** are problem documents (RFC 9457). `type` is a page that says what to do; `errors` names fields by JSON
pointer; a refusal by the playbook cites program, version and rule and lists what is missing. A refused request changes
nothing.

**Repeating**: a POST may carry an `Idempotency-Key`; the same key answers the same for 72 hours. Leads, notes and
activities are repeatable by their `external_id` as well.

**Changing**: PATCH and DELETE need the `ETag` that was read, in `If-Match`. PATCH is a merge patch (RFC 7396).

**Lists** take `limit` and `cursor` and answer `next_cursor`, which is null on the last page; `Link` names the next.

**Limits**: answers say in `RateLimit-Policy` and `RateLimit` what the client may send and what is left of it. Beyond it
is 429, under overload 503; both say in `Retry-After` how many seconds to wait.

**Scopes** open an endpoint; the playbook then decides whether this role may do this to this lead now.
"""

TOKENS: Final = (
    "Client credentials (RFC 6749, section 4.4): `POST /oauth/token` with client_secret_basic or client_secret_post. "
    "A token lives 10 minutes and is of one tenant and one organisation. Any of the scopes named opens an operation."
)

TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "oauth": "The authorization server: tokens, their revocation and introspection, keys.",
        "me": "Who the caller is and what its token opens.",
        "leads": "Leads, what is known of them, and what hangs on them.",
        "handovers": "Offering the baton and answering the offer. The giver stays accountable until it is accepted.",
        "consultations": "Asking a consulted role for help on a lead: an organisation and a role, never a person.",
        "outcomes": "What became of a lead, and the partner's answer to it.",
        "escalations": "Missed obligations climbing their ladders until a person takes them up.",
        "clocks": "What is owed, by whom and until when, and how the time was reckoned.",
        "figures": "The funnel, reasons and feedback debt: the same for both sides.",
        "programs": "Collaborations and the playbooks that both sides agree to.",
        "events": "The feed: what happened, as the caller's side sees it.",
        "webhooks": "Endpoints that events are posted to, and the log of deliveries.",
        "destinations": "On-call tools that escalations are sent to.",
        "sandbox": "Test leads: Baton plays the other side, and a vendor sees every webhook that it will ever get.",
        "partners and clients": "Vendors, machine clients and their secrets.",
        "operations": "Liveness, readiness and metrics.",
        "event bodies": "What is posted to an endpoint: one signed request for each event.",
    }
)
"""Every tag, in the order of the document."""

HEADERS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "RequestId": {
            "description": "Names this request in problem documents and in Baton's log.",
            "schema": {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
        },
        "ETag": {
            "description": "The version that was read; goes into `If-Match` of a PATCH or DELETE.",
            "schema": {"type": "string"},
            "example": '"i7"',
        },
        "Location": {
            "description": "Where the new object is.",
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "Link": {"description": 'The next page, `rel="next"`; absent on the last one.', "schema": {"type": "string"}},
        "IdempotentReplayed": {
            "description": "Present where the answer was kept under an Idempotency-Key.",
            "schema": {"type": "string", "const": "true"},
        },
        "RetryAfter": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
        "RateLimit": {
            "description": "What this client may still send, by draft-ietf-httpapi-ratelimit-headers-11: `r` requests "
            "now, and all that `RateLimit-Policy` grants after `t` seconds.",
            "schema": {"type": "string"},
            "example": '"write";r=5987;t=1',
        },
        "RateLimitPolicy": {
            "description": "What this client may send: `q` requests at once, restored evenly over `w` seconds.",
            "schema": {"type": "string"},
            "example": '"write";q=6000;w=60',
        },
        "Deprecation": {
            "description": "Since when the operation goes away (RFC 9745).",
            "schema": {"type": "string", "pattern": "^@[0-9]+$"},
        },
        "Sunset": {
            "description": "When it ends, a year later at the earliest (RFC 8594).",
            "schema": {"type": "string"},
        },
        "WWWAuthenticate": {"description": "How to authenticate (RFC 6750).", "schema": {"type": "string"}},
    }
)

IF_NONE_MATCH: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "schema": {"type": "string"},
        "description": "The ETag that the caller has; 304 where it is still the one.",
    }
)

TAGGED: Final = frozenset(
    {
        "LeadOut", "ExpandedLead", "PartnerOut", "ClientOut", "NewClientOut", "ProgramOut", "EndpointOut",
        "EndpointSecretOut", "DestinationOut", "DestinationSecretOut",
    }
)  # fmt: skip
"""Schemas of answers that carry an ETag."""

LOCATED: Final = frozenset(
    {
        "LeadOut", "HandoverOut", "ConsultationOut", "ImportCounts", "PartnerOut", "NewClientOut", "ProgramOut",
        "EndpointSecretOut", "DestinationSecretOut",
    }
)  # fmt: skip
"""Schemas of new objects that can be read at a place of their own."""

REPEATABLE: Final = frozenset({"post_lead", "post_note", "post_activity"})
"""Operations that answer 200 to a body that was sent before under the same external id."""

SUCCESS: Final[Mapping[str, str]] = MappingProxyType(
    {"200": "Done.", "201": "Created.", "202": "Taken; it is on its way.", "204": "Done; there is nothing to say."}
)

PARAMETERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lead_import": "`imp_…`",
        "after": "Rows after this line.",
        "result": "Only rows of this result.",
        "on_conflict": "What to do with a row whose external id names another body: refuse it, or apply it as a patch.",
        "stage": "Key of a stage of the playbook.",
        "status": "Only of this status.",
        "state": "Only of this state.",
        "type": "Only of this type.",
        "owner_role": "Role that is accountable.",
        "external_id": "The writer's own reference.",
        "sort": "Order; `-` is descending.",
        "side": "Whether the caller gives or receives.",
        "to_role": "Role that the handover is for.",
        "due_before": "Due before this time.",
        "owed_by": "`me`: owed by the caller's organisation.",
        "from": "First day, inclusive.",
        "to": "Last day, inclusive.",
        "endpoint_id": "Only of this endpoint.",
        "destination_id": "Only of this destination.",
        "limit": "At most so many.",
        "key": "A short name that stays.",
        "day": "The day, YYYY-MM-DD.",
        "cursor": "`next_cursor` of the answer before.",
    }
)
"""Descriptions of parameters that a route leaves to their names."""

FORMS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "issue_token": {
            "grant_type": "client_credentials",
            "scope": "leads:read leads:write",
            "client_id": "cli_agjpdrc3pjgb5hjlh5vhzdu5ae",
            "client_secret": "shown once",
        },
        "revoke_token": {"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.shortened"},
        "introspect_token": {"token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.shortened"},
    }
)

_NDJSON: Final = (
    '{"program":"smb-inside-sales","external_id":"A-2026-0001","company":{"name":"株式会社サンプル商事"},'
    '"provenance":{"source_kind":"outbound_list","acquired_on":"2026-11-01","appi_relation":"entrustment",'
    '"basis":"legitimate_interest"}}\n'
)
STREAMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/x-ndjson": _NDJSON,
        "application/ndjson": _NDJSON,
        "text/csv": "program,external_id,company.name,provenance.source_kind,provenance.acquired_on,"
        "provenance.appi_relation,provenance.basis,context.bant.need\r\n"
        "smb-inside-sales,B-2026-0001,株式会社サンプル商事,outbound_list,2026-11-01,entrustment,legitimate_interest,"
        "recognised\r\n",
    }
)
"""Bodies of imports: one lead a line, or dotted paths as columns."""

TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text/plain": "# HELP baton_pool_connections Open database connections of this process by login.\n"
        "# TYPE baton_pool_connections gauge\n"
        'baton_pool_connections{login="partner"} 4\n',
        "text/markdown": "# smb-inside-sales\n\n| stage | accountable |\n|---|---|\n| Awareness | Sales partner |\n",
        "text/html": '<!doctype html><html lang="en"><title>smb-inside-sales</title><h1>smb-inside-sales</h1></html>',
    }
)
"""Answers that are no JSON."""
