"""The `webhooks` section: one signed POST for each event type, and what a receiver may answer."""

from collections.abc import Mapping
from typing import Any, Final

from app.domain.events import CATALOGUE
from app.schemas.event_data import data_schemas
from app.schemas.webhooks import envelope, example_body

_ABOUT: Final = (
    "Signed by Standard Webhooks: the signature covers `webhook-id`, `webhook-timestamp` and the exact bytes of the "
    "body, joined by dots. Verify it before you parse, refuse a timestamp more than 5 minutes away, and answer 2xx "
    "within 15 s. The same `webhook-id` may come again: handle it once."
)
_HEADERS: Final = (
    (
        "webhook-id",
        {"type": "string", "pattern": "^(evt_[a-z2-7]{26}|page_[a-z2-7]{26}_[0-9a-f]{32})$"},
        "The event's id, or `page_…` where an on-call destination is told. The same at every attempt.",
        "evt_agjpdrc3pjgb5hjlh5vhzdu5ae",
    ),
    (
        "webhook-timestamp",
        {"type": "string", "pattern": "^[0-9]+$"},
        "When this attempt was signed: seconds since 1970, real time.",
        "1795138200",
    ),
    (
        "webhook-signature",
        {"type": "string"},
        "Signatures, separated by a space: `v1,` and base64 of HMAC-SHA256, or `v1a,` of Ed25519. Any one will do.",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
)
_ANSWERS: Final = {
    "2XX": {"description": "Taken."},
    "410": {"description": "Gone: the endpoint is disabled, its deliveries are kept."},
    "default": {"description": "Sent again: eleven attempts over three days, or as `Retry-After` asks."},
}


def components() -> dict[str, Any]:
    """Return the schemas that the bodies refer to."""
    return data_schemas("#/components/schemas/{model}")[1]


def section() -> dict[str, Any]:
    """Return the `webhooks` section, in the order of the catalogue."""
    data, _ = data_schemas("#/components/schemas/{model}")
    return {kind.name: {"post": _operation(kind.name, kind.meaning, data[kind.name])} for kind in CATALOGUE.values()}


def _operation(kind: str, meaning: str, data: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "header", "required": True, "schema": schema, "description": about, "example": example}
        for name, schema, about, example in _HEADERS
    ]
    content = {"schema": envelope(kind, meaning, data), "example": example_body(kind)}
    return {
        "operationId": f"on_{kind.replace('.', '_')}",
        "summary": meaning,
        "description": _ABOUT,
        "tags": ["event bodies"],
        "security": [],
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": dict(_ANSWERS),
    }
