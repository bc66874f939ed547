"""Examples for the document: whole bodies where the words matter, else one that follows from a schema.

A schema names its parts by `$ref`; `defs` holds them by name. Nothing here knows HTTP.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, cast
from uuid import UUID

from app.domain.ids import Prefix, show

Schema = Mapping[str, Any]

_ID: Final = UUID("0192f1c4-5b7a-4c1e-9d2b-3f6a7c8e9d01")


def example_id(prefix: Prefix) -> str:
    """Return an id of that kind, as well-formed as a real one."""
    return show(prefix, _ID)


_PROVENANCE: Final = {
    "source_kind": "outbound_list",
    "acquired_on": "2026-11-01",
    "appi_relation": "entrustment",
    "basis": "legitimate_interest",
}
_CONTEXT: Final[dict[str, Any]] = {
    "pain_points": [{"category": "process", "note": "引き継ぎが属人化している"}],
    "expectations": "商談前に経緯を知りたい",
    "temperature": "hot",
    "temperature_basis": "来月予算化と発言",
    "bant": {
        "budget": {"value": "planned"},
        "authority": {"value": "decision_maker"},
        "need": {"value": "recognised"},
        "timeline": {"value": "3_6m"},
    },
    "personality": "数字で判断される",
    "concerns": ["導入負荷"],
    "next_step": {"what": "初回商談", "due_on": "2026-12-01"},
}
_COMPANY: Final = {
    "name": "株式会社サンプル商事",
    "corporate_number": "7999901000001",
    "domain": "sample.example",
    "phone": "03-1234-5678",
    "industry": "manufacturing",
    "employees": "100-299",
}
_CONTACT: Final = {
    "name": "山田 太郎",
    "title": "情報システム部 部長",
    "email": "yamada@sample.example",
    "phone": "+81312345678",
    "role": "decision_maker",
}

BODIES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "LeadIn": {
            "program": "smb-inside-sales",
            "external_id": "A-2026-0001",
            "company": _COMPANY,
            "contact": _CONTACT,
            "provenance": _PROVENANCE,
            "context": _CONTEXT,
            "test": False,
        },
        "LeadPatch": {"context": {"temperature": "warm", "bant": {"budget": {"value": "approved"}}}},
        "Company": _COMPANY,
        "Contact": _CONTACT,
        "Provenance": _PROVENANCE,
        "ContextOut": {**_CONTEXT, "completeness": 1.0, "missing": []},
        "NoteIn": {"kind": "customer_voice", "body": "来期の予算に入れたいとのこと。", "visibility": "shared"},
        "ActivityIn": {
            "kind": "call",
            "at": "2026-11-20T10:30:00+09:00",
            "disposition": "connected",
            "summary": "課題を伺い、初回商談に前向き。",
            "contact_role": "decision_maker",
        },
        "HandoverIn": {
            "to_role": "internal_sales",
            "summary": "初回商談が決まりました。決裁者が同席します。",
            "meeting": {"at": "2026-12-01T14:00:00+09:00", "minutes": 60, "place": "オンライン"},
        },
        "Meeting": {"at": "2026-12-01T05:00:00Z", "minutes": 60, "place": "オンライン"},
        "RejectIn": {"reason": "outside_target_profile", "note": "対象業種ではありません。"},
        "ReturnIn": {"questions": [{"text": "予算の時期はいつですか。", "field": "/context/bant/budget"}]},
        "AnswerIn": {"answers": [{"question_id": example_id(Prefix.QUESTION), "text": "来年四月からです。"}]},
        "PullIn": {"to_role": "internal_sales", "limit": 10, "assignee": "inside-03"},
        "OutcomeIn": {
            "result": "lost",
            "reason": "price",
            "secondary_reasons": ["timing"],
            "stated_by": "customer_stated",
            "learnings": "初回に総額を示すべきだった。",
            "competitor": "他社サービス",
            "recoverable": True,
        },
        "ContestIn": {"reason": "other", "note": "先方からは来期に再検討と伺っています。"},
        "FeedbackIn": {
            "handover_id": example_id(Prefix.HANDOVER),
            "meeting_held": True,
            "rating": 4,
            "reasons": ["well_prepared"],
            "next_update_on": "2026-12-10",
        },
        "ProposalIn": {
            "document": {"playbook": 1, "program": "smb-inside-sales"},
            "comment": "What the document holds: docs/playbook.md; shortened here.",
        },
        "ProgramPatch": {"name": "SMB inside sales, second half"},
        "ClientIn": {"name": "crm-sync", "roles": ["partner"]},
        "ClientPatch": {"status": "suspended"},
        "PartnerIn": {"key": "vendor-a", "name": "営業代行A株式会社"},
        "PartnerPatch": {"status": "suspended"},
        "EndpointIn": {
            "url": "https://partner.example/hooks/baton",
            "event_types": ["lead.accepted", "outcome.closed"],
            "description": "CRM",
        },
        "EndpointPatch": {"event_types": ["*"]},
        "ReplayIn": {"since": "2026-11-20T00:00:00Z", "only": "undelivered"},
        "DestinationPatch": {"name": "on-call (sales)"},
        "OAuthErrorOut": {"error": "invalid_client", "error_description": "The client could not be authenticated."},
        "LabelledReason": {"code": "price", "label_en": "Price", "label_ja": "価格"},
        "Money": {"value": "1200000", "currency": "JPY"},
        "DecisionOut": {
            "reason": "outside_scope",
            "label_en": "Outside the scope of the program",
            "label_ja": "プログラムの対象外",
            "contest_until": "2026-12-04T09:00:00Z",
        },
    }
)
"""Bodies by the name of their schema."""

_IDS: Final[Mapping[str, Prefix]] = MappingProxyType(
    {
        "LeadOut": Prefix.LEAD,
        "ExpandedLead": Prefix.LEAD,
        "RelatedLead": Prefix.LEAD,
        "HandoverOut": Prefix.HANDOVER,
        "ListedHandover": Prefix.HANDOVER,
        "QuestionOut": Prefix.QUESTION,
        "PostedNote": Prefix.NOTE,
        "NoteOut": Prefix.NOTE,
        "LoggedActivity": Prefix.ACTIVITY,
        "ActivityOut": Prefix.ACTIVITY,
        "OutcomeOut": Prefix.OUTCOME,
        "OutcomeHistory": Prefix.OUTCOME,
        "FeedbackOut": Prefix.FEEDBACK,
        "ProgramOut": Prefix.PROGRAM,
        "PlaybookOut": Prefix.PLAYBOOK,
        "PartnerOut": Prefix.ORGANIZATION,
        "OrganizationOut": Prefix.ORGANIZATION,
        "SecretOut": Prefix.SECRET,
        "NewSecretOut": Prefix.SECRET,
        "ImportCounts": Prefix.IMPORT,
        "ImportOut": Prefix.IMPORT,
        "ClockOut": Prefix.CLOCK,
        "OwedClock": Prefix.CLOCK,
        "EscalationOut": Prefix.ESCALATION,
        "EscalationEvent": Prefix.ESCALATION,
        "EndpointOut": Prefix.ENDPOINT,
        "EndpointSecretOut": Prefix.ENDPOINT,
        "DestinationOut": Prefix.DESTINATION,
        "DestinationSecretOut": Prefix.DESTINATION,
        "DeliveryOut": Prefix.DELIVERY,
        "DeliveryDetailOut": Prefix.DELIVERY,
        "EventOut": Prefix.EVENT,
        "TimelineEntry": Prefix.EVENT,
    }
)
"""What the `id` of a schema names."""

_NAMED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "lead_id": example_id(Prefix.LEAD),
        "handover_id": example_id(Prefix.HANDOVER),
        "question_id": example_id(Prefix.QUESTION),
        "outcome_id": example_id(Prefix.OUTCOME),
        "playbook_id": example_id(Prefix.PLAYBOOK),
        "organization_id": example_id(Prefix.ORGANIZATION),
        "organization": example_id(Prefix.ORGANIZATION),
        "endpoint_id": example_id(Prefix.ENDPOINT),
        "destination_id": example_id(Prefix.DESTINATION),
        "delivery_id": example_id(Prefix.DELIVERY),
        "client_id": example_id(Prefix.CLIENT),
        "tenant": example_id(Prefix.TENANT),
        "webhook_id": example_id(Prefix.EVENT),
        "partner": example_id(Prefix.ORGANIZATION),
        "proposed_by": example_id(Prefix.ORGANIZATION),
        "client_secret": "shown once",
        "secret": "shown once",
        "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.shortened",
        "external_id": "A-2026-0001",
        "program": "smb-inside-sales",
        "stage": "evaluation",
        "stage_at_close": "negotiation",
        "entry": "awareness",
        "calendar": "tokyo",
        "assignee": "inside-03",
        "role": "internal_sales",
        "from_role": "partner",
        "to_role": "internal_sales",
        "by_role": "internal_sales",
        "from_assignee": "inside-03",
        "reported_by": "internal_sales",
        "clock": "handover_response",
        "trigger": "handover_response",
        "rule": "stages.evaluation.exits.negotiation",
        "missing": ["activity:meeting_held"],
        "command": "advance",
        "currency": "JPY",
        "label_en": "Move to the next stage",
        "label_ja": "次の段階へ進める",
        "summary": "初回商談が決まりました。",
        "note": "来期の予算に入れたいとのこと。",
        "body": "来期の予算に入れたいとのこと。",
        "learnings": "初回に総額を示すべきだった。",
        "reason": "price",
        "comment": "The default playbook",
        "competitor": "他社サービス",
        "disposition": "connected",
        "contact_role": "decision_maker",
        "url": "https://partner.example/hooks/baton",
        "remote_ip": "203.0.113.7",
        "until": "2026-11-25T09:00:00Z",
        "type": "outcome.closed",
        "event_types": ["lead.accepted", "outcome.closed"],
        "scope": "leads:read",
        "roles": ["partner"],
        "metadata": {"caller": "tel-17"},
        "next_cursor": None,
        "completeness": 1.0,
        "domain": "sample.example",
        "phone": "+81312345678",
        "corporate_number": "7999901000001",
        "timings": {"connect_ms": 12, "total_ms": 48},
        "public_key": None,
        "disabled_reason": None,
        "previous_secret_until": None,
        "breached_at": None,
        "stopped_at": None,
        "sequence": 42,
        "lead_sequence": 3,
        "hours_to_outcome": 26.5,
        "rating": 4,
        "late_by_s": 600,
        "timezone": "Asia/Tokyo",
    }
)
"""Values by the name of a field, where the schema lets them be."""


_LEAD: Final[Mapping[str, Any]] = {"status": "open", "decision": None, "outcome": None}
_HANDOVER: Final[Mapping[str, Any]] = {"status": "requested", "decision": None, "questions": [], "answers": []}
_ESCALATION: Final[Mapping[str, Any]] = {
    "severity": "error",
    "subject": {
        "kind": "handover",
        "id": example_id(Prefix.HANDOVER),
        "lead_id": example_id(Prefix.LEAD),
        "external_id": "A-2026-0001",
        "company": "株式会社サンプル商事",
    },
    "waiting": {
        "organization": example_id(Prefix.ORGANIZATION),
        "role": "partner",
        "since": "2026-11-19T05:30:00Z",
    },
    "playbook": {"program": "smb-inside-sales", "version": 1, "rule": "clocks.handover_response"},
    "step": {"n": 1, "of": 3, "next_at": "2026-11-20T02:30:00Z", "next_target": ["owed_by", "waiting", "manager"]},
    "fallback": {"side": "internal", "role": "manager"},
    "actions": [
        {
            "label_en": "Acknowledge",
            "label_ja": "対応を開始する",
            "method": "POST",
            "path": f"/v1/escalations/{example_id(Prefix.ESCALATION)}/acknowledge",
        }
    ],
    "url": f"https://baton.example/v1/escalations/{example_id(Prefix.ESCALATION)}",
    "acknowledged_by": None,
    "timeline": [
        {
            "at": "2026-11-20T01:30:00Z",
            "what": "opened",
            "clock": "handover_response",
            "due_at": "2026-11-20T01:20:00Z",
        }
    ],
}
_OUTCOME: Final[Mapping[str, Any]] = {
    "result": "lost",
    "secondary_reasons": [],
    "amount": None,
    "annual_value": None,
    "recoverable": True,
    "revisit_on": None,
}
_OWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "LeadOut": _LEAD,
        "ExpandedLead": _LEAD,
        "HandoverOut": _HANDOVER,
        "ListedHandover": _HANDOVER,
        "OutcomeOut": _OUTCOME,
        "OutcomeHistory": _OUTCOME,
        "EscalationOut": _ESCALATION,
        "EscalationEvent": _ESCALATION,
        "AcceptedHandover": {"id": example_id(Prefix.HANDOVER)},
        "Due": {"owed_by": "internal_sales"},
        "PostedNote": {"kind": "customer_voice", "visibility": "shared"},
        "NoteOut": {"kind": "customer_voice", "visibility": "shared"},
        "LoggedActivity": {"kind": "call"},
        "ActivityOut": {"kind": "call"},
        "QuestionOut": {"text": "予算の時期はいつですか。", "field": "/context/bant/budget"},
        "AnswerOut": {"text": "来年四月からです。"},
        "CompanyName": {"name": "株式会社サンプル商事"},
    }
)
"""Values by schema and field, where a field of that name is elsewhere another."""


def example(schema: Schema, defs: Mapping[str, Schema], name: str = "", owner: str = "") -> Any:  # noqa: ANN401  # JSON
    """Return an example of `schema`, which is the field `name` of the schema `owner`."""
    if "$ref" in schema and name not in _OWN.get(owner, {}):
        owner = schema["$ref"].rpartition("/")[2]
        return BODIES[owner] if owner in BODIES else example(defs[owner], defs, owner=owner)
    given = [*_stated(schema, name, owner)]
    if given:
        return given[0]
    if branches := schema.get("anyOf"):
        return example(_first(branches), defs, name, owner)
    return _of_type(schema, defs, name, owner)


def _stated(schema: Schema, name: str, owner: str) -> Iterator[Any]:
    """Yield what is said of a field, the most particular first."""
    if name in _OWN.get(owner, {}):
        yield _OWN[owner][name]
    yield from schema.get("examples", ())
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    if name == "id" and owner in _IDS:
        yield example_id(_IDS[owner])
    if name in _NAMED and _fits(_NAMED[name], schema):
        yield _NAMED[name]


def _first(branches: list[Schema]) -> Schema:
    return next((branch for branch in branches if branch.get("type") != "null"), branches[0])


_TYPES: Final[Mapping[type, str]] = MappingProxyType(
    {str: "string", int: "integer", float: "number", dict: "object", bool: "boolean", type(None): "null"}
)


def _fits(value: object, schema: Schema) -> bool:
    """Return whether a value is of one of the types that the schema names; lists are of texts."""
    branches: list[Schema] = schema.get("anyOf", [schema])
    if isinstance(value, list):
        return any(branch.get("items", {}).get("type") == "string" for branch in branches)
    return _TYPES[type(value)] in [branch.get("type") for branch in branches]


def _of_type(schema: Schema, defs: Mapping[str, Schema], name: str, owner: str) -> Any:  # noqa: ANN401
    kind = schema.get("type", "object")
    if kind == "object":
        fields = cast("Mapping[str, Schema]", schema.get("properties", {}))
        needed = {*schema.get("required", ()), *_OWN.get(owner, {})}
        return {key: example(held, defs, key, owner) for key, held in fields.items() if key in needed}
    if kind == "array":
        return [example(schema["items"], defs, name.removesuffix("s"), owner)] if "items" in schema else []
    plain: Mapping[str, Any] = {
        "integer": schema.get("minimum", 1),
        "number": float(schema.get("minimum", 1)),
        "boolean": False,
        "null": None,
        "string": _TIMES.get(schema.get("format", ""), "text"),
    }
    return plain[kind]


_TIMES: Final[Mapping[str, str]] = MappingProxyType({"date-time": "2026-11-20T01:30:00Z", "date": "2026-12-01"})
