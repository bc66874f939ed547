"""Values that examples in the document are made of: whole bodies, and fields by name. Nothing here is read at work."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from app.domain.ids import Prefix, show

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
            "contest_until": None,
        },
    }
)
"""Bodies by the name of their schema."""

IDS: Final[Mapping[str, Prefix]] = MappingProxyType(
    {
        "LeadOut": Prefix.LEAD,
        "ExpandedLead": Prefix.LEAD,
        "RelatedLead": Prefix.LEAD,
        "HandoverOut": Prefix.HANDOVER,
        "ListedHandover": Prefix.HANDOVER,
        "QuestionOut": Prefix.QUESTION,
        "ConsultationOut": Prefix.CONSULTATION,
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
        "InvitationOut": Prefix.INVITATION,
        "NewInvitationOut": Prefix.INVITATION,
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

NAMED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "lead_id": example_id(Prefix.LEAD),
        "handover_id": example_id(Prefix.HANDOVER),
        "consultation_id": None,
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
        "agreed_by": [example_id(Prefix.ORGANIZATION)],
        "awaits": [example_id(Prefix.ORGANIZATION)],
        "partners": [example_id(Prefix.ORGANIZATION)],
        "name": "営業代行A株式会社",
        "proposed_by": example_id(Prefix.ORGANIZATION),
        "client_secret": "shown once",
        "secret": "shown once",
        "access_token": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.shortened",
        "external_id": "A-2026-0001",
        "program": "smb-inside-sales",
        "stage": "evaluation",
        "stage_at_close": "negotiation",
        "calendar": "tokyo",
        "assignee": "inside-03",
        "role": "internal_sales",
        "from_role": "partner",
        "to_role": "internal_sales",
        "by_role": "internal_sales",
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
        "competitor": "他社サービス",
        "disposition": "connected",
        "contact_role": "decision_maker",
        "url": "https://partner.example/hooks/baton",
        "remote_ip": "203.0.113.7",
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
        "late_by_s": 600,
    }
)
"""Values by the name of a field, where the schema lets them be."""


_LEAD: Final[Mapping[str, Any]] = {"status": "open", "decision": None, "outcome": None}
_INVITATION: Final[Mapping[str, Any]] = {
    "status": "open", "name": "first client", "roles": ["partner"], "scopes": ["leads:read", "leads:write"],
    "redeemed_at": None,
}  # fmt: skip
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
    "waiting": {"organization": example_id(Prefix.ORGANIZATION), "role": "partner", "since": "2026-11-19T05:30:00Z"},
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
    "timeline": [{"at": "2026-11-20T01:30:00Z", "what": "opened", "clock": "handover_response"}],
}
_DESTINATION: Final[Mapping[str, Any]] = {
    "kind": "webhook",
    "name": "on-call",
    "config": {"url": "https://oncall.example/hooks/baton"},
    "key_mode": "escalation",
}
_ENDPOINT: Final[Mapping[str, Any]] = {
    "description": "CRM",
    "ordering": "none",
    "signature": "v1",
    "status": "active",
    "rate": None,
}
_EVENT: Final[Mapping[str, Any]] = {
    "id": example_id(Prefix.EVENT),
    "type": "ownership.changed",
    "timestamp": "2026-11-20T01:30:00Z",
    "tenant": example_id(Prefix.TENANT),
    "sequence": 42,
    "data": {
        "lead_id": example_id(Prefix.LEAD),
        "external_id": "A-2026-0001",
        "lead_sequence": 3,
        "test": False,
        "owner": {"role": "internal_sales", "organization_id": example_id(Prefix.ORGANIZATION)},
        "previous": {"role": "partner", "organization_id": example_id(Prefix.ORGANIZATION)},
    },
}
_AUTHENTICATION: Final = ["client_secret_basic", "client_secret_post"]
_OUTCOME: Final[Mapping[str, Any]] = {
    "result": "lost",
    "secondary_reasons": [],
    "amount": None,
    "annual_value": None,
    "recoverable": True,
    "revisit_on": None,
}
OWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "LeadOut": _LEAD,
        "ExpandedLead": _LEAD,
        "HandoverOut": _HANDOVER,
        "ListedHandover": _HANDOVER,
        "OutcomeOut": _OUTCOME,
        "OutcomeHistory": _OUTCOME,
        "EscalationOut": _ESCALATION,
        "EscalationEvent": _ESCALATION,
        "EndpointTest": {"endpoint_id": example_id(Prefix.ENDPOINT)},
        "AcceptedHandover": {"id": example_id(Prefix.HANDOVER)},
        "PostedNote": {"kind": "customer_voice", "visibility": "shared"},
        "NoteOut": {"kind": "customer_voice", "visibility": "shared"},
        "LoggedActivity": {"kind": "call"},
        "ActivityOut": {"kind": "call"},
        "QuestionOut": {"text": "予算の時期はいつですか。", "field": "/context/bant/budget"},
        "AnswerOut": {"text": "来年四月からです。"},
        "CompanyName": {"name": "株式会社サンプル商事"},
        "Due": {"owed_by": "internal_sales"},
        "PartnerOut": {"key": "vendor-a"},
        "ProgramIn": {"name": "SMB inside sales"},
        "ProgramOut": {"key": "smb-inside-sales", "name": "SMB inside sales", "playbook": example_id(Prefix.PLAYBOOK)},
        "ClientOut": {"name": "crm-sync", "scopes": ["leads:read", "leads:write"]},
        "InvitationOut": _INVITATION,
        "NewInvitationOut": _INVITATION | {"code": "shown once"},
        "NewClientOut": {"name": "crm-sync", "scopes": ["leads:read", "leads:write"]},
        "OrganizationOut": {"kind": "partner"},
        "MeOut": {"mode": "live", "programs": ["smb-inside-sales"]},
        "OpenedOut": {"opens": "Read leads with their notes, activities, handovers, timeline, owners and clocks."},
        "DestinationIn": {"name": "on-call", "config": {"url": "https://oncall.example/hooks/baton"}},
        "DestinationOut": _DESTINATION,
        "DestinationSecretOut": _DESTINATION,
        "EndpointOut": _ENDPOINT,
        "EndpointSecretOut": _ENDPOINT,
        "AttemptOut": {"status": 200, "error": None, "response": "ok"},
        "DeliveryDetailOut": {"body": _EVENT},
        "EventOut": {"data": _EVENT["data"]},
        "TimelineEntry": {"type": "stage.entered", "data": {"from": "awareness", "to": "evaluation"}},
        "EventTypeOut": {
            "description": "Another party is accountable now.",
            "type": "ownership.changed",
            "schema": {"title": "ownership.changed", "type": "object"},
            "example": _EVENT,
        },
        "EventsOut": {"next_cursor": "c1.sealed"},
        "FunnelOut": {"view": "cohort", "group_by": None},
        "FunnelItem": {"group": None, "by_currency": []},
        "ReasonsOut": {"view": "cohort", "group_by": None},
        "ReasonItem": {"group": None},
        "ImportRow": {"problem": None},
        "HandoverDecision": {"verb": "accept", "reason": None, "missing": []},
        "SnoozeIn": {"reason": "先方の定休日明けに対応します。"},
        "WaiveIn": {"reason": "別件で確認済みです。"},
        "KeyOut": {"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256"},
        "IntrospectionOut": {"active": True, "token_type": "Bearer", "scope": "leads:read", "exp": 1795138800},
        "MetadataOut": {
            "issuer": "https://baton.example",
            "token_endpoint": "https://baton.example/oauth/token",
            "revocation_endpoint": "https://baton.example/oauth/revoke",
            "introspection_endpoint": "https://baton.example/oauth/introspect",
            "jwks_uri": "https://baton.example/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "scopes_supported": ["leads:read", "leads:write"],
            "token_endpoint_auth_methods_supported": _AUTHENTICATION,
            "revocation_endpoint_auth_methods_supported": _AUTHENTICATION,
            "introspection_endpoint_auth_methods_supported": _AUTHENTICATION,
        },
        "ExplanationOut": {
            "playbook": {"program": "smb-inside-sales", "version": 1, "rule": "clocks.handover_response"},
            "calendar": {"time_zone": "Asia/Tokyo"},
        },
        "CountedInterval": {"local": "2026-12-01 13:00-18:00"},
        "ClosedDay": {"on": "2026-12-30", "label": "年末年始"},
    }
)
"""Values by schema and field, where a field of that name is elsewhere another."""
