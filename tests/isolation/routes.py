"""The table of every route: what opens it, who may use it, which ids it takes. A route that is not here fails a test.

In `body` and `query` a text that begins with `$` stands for the id of an object of that kind.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from app.security.signing_keys import SigningKey, public_jwk
from tests.world import CALL, LOST, lead_body

Key = tuple[str, str]


class Who(Enum):
    """Who may use a route at all, before any object is looked at."""

    EVERYBODY = "no token"
    MEMBER = "every client with the scope; the playbook decides on the object"
    ADMIN = "role admin of the tenant's own organisation"
    OWN_ADMIN = "role admin of either organisation, for its own clients"
    MANAGER = "role manager of either organisation"
    PARTNER = "clients of a partner"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a caller needs for one route, and a request that reaches its look-ups."""

    scopes: str = ""
    who: Who = Who.MEMBER
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    content: str | None = None
    """A body that is no JSON document, with `media_type`."""
    media_type: str = "application/json"


KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "lead": ("lead", "lead_external"),
    "handover": ("handover", "handover_accepted"),
    "consultation": ("consultation",),
    "outcome": ("outcome",),
    "lead_import": ("import",),
    "program": ("program", "program_key"),
    "playbook": ("playbook", "playbook_open"),
    "against": ("playbook", "playbook_open"),
    "partner": ("partner",),
    "client": ("client",),
    "invitation": ("invitation",),
    "secret": ("secret",),
    "public_key": ("public_key",),
    "endpoint": ("endpoint",),
    "delivery": ("delivery",),
    "destination": ("destination",),
    "clock": ("clock",),
    "escalation": ("escalation",),
    "endpoint_id": ("endpoint",),
    "destination_id": ("destination",),
}
"""Parameter -> the kinds of objects that it may name."""
PLAIN: Final = {"slug": "not-found", "key": "osaka", "day": "2026-11-02"}
"""Path parameters that name nothing of anybody's."""

_PUBLIC: Final = Entry(who=Who.EVERYBODY)
_NOTE: Final = {"kind": "context", "body": "x", "visibility": "shared"}
_ENDPOINT: Final = {"url": "http://127.0.0.1:9/x", "event_types": ["*"]}
_TOOL: Final = {"kind": "webhook", "name": "x", "config": {"url": "http://127.0.0.1:9/x"}}
_CLIENT: Final = {"name": "x", "roles": ["manager"]}
_FIGURES: Final = {"partner": "$partner", "program": "$program"}


def _members() -> Iterator[tuple[Key, Entry]]:
    read, write = "leads:read", "leads:write"
    yield ("GET", "/v1/me"), Entry()
    yield ("POST", "/v1/leads"), Entry(write, body=lead_body("X-1") | {"partner": "$partner", "program": "$program"})
    yield ("GET", "/v1/leads"), Entry(read, query={"program": "$program"})
    yield ("GET", "/v1/leads/{lead}"), Entry(read)
    yield ("PATCH", "/v1/leads/{lead}"), Entry(write, body={"context": {"personality": "x"}})
    for name in ("notes", "activities", "handovers", "timeline", "ownership", "actions"):
        yield ("GET", f"/v1/leads/{{lead}}/{name}"), Entry(read)
    yield ("POST", "/v1/leads/{lead}/notes"), Entry(write, body=_NOTE)
    yield ("POST", "/v1/leads/{lead}/activities"), Entry(write, body=CALL)
    yield ("POST", "/v1/leads/{lead}/advance"), Entry(write, body={"to": "evaluation"})
    yield ("POST", "/v1/leads/{lead}/assign"), Entry(write, body={"assignee": "x"})
    yield ("POST", "/v1/leads/{lead}/outcome"), Entry("outcomes:write", body=LOST)
    feedback = {"handover_id": "$handover_accepted", "rating": 3}
    yield ("POST", "/v1/leads/{lead}/feedback"), Entry("outcomes:write handovers:write", body=feedback)
    yield ("POST", "/v1/leads/{lead}/reopen"), Entry("outcomes:write leads:write", body={})
    yield ("POST", "/v1/lead-imports"), Entry(write, content="{}", media_type="application/x-ndjson")
    yield ("GET", "/v1/lead-imports/{lead_import}"), Entry("leads:read leads:write")

    hand = "handovers:write"
    offer = {"to_role": "internal_sales", "summary": "x"}
    yield ("POST", "/v1/leads/{lead}/handovers"), Entry(hand, body=offer)
    yield ("POST", "/v1/handovers/pull"), Entry(hand, body={"to_role": "technical", "limit": 1})
    for verb, body in (
        ("accept", {}),
        ("reject", {"reason": "meeting_not_held"}),
        ("return", {"questions": [{"text": "x"}]}),
        ("answer", {"answers": [{"question_id": "x", "text": "x"}]}),
        ("withdraw", {}),
    ):
        yield ("POST", f"/v1/handovers/{{handover}}/{verb}"), Entry(hand, body=body)
    yield ("POST", "/v1/leads/{lead}/consultations"), Entry(write, body={"role": "technical", "question": "x"})
    yield ("GET", "/v1/leads/{lead}/consultations"), Entry(read)
    yield ("GET", "/v1/consultations"), Entry(read)
    yield ("GET", "/v1/consultations/{consultation}"), Entry(read)
    for verb, body in (("answer", {"text": "x"}), ("decline", {"reason": "x", "alternative": "x"}), ("withdraw", {})):
        yield ("POST", f"/v1/consultations/{{consultation}}/{verb}"), Entry(write, body=body)
    yield ("POST", "/v1/outcomes/{outcome}/correct"), Entry("outcomes:write", body=LOST)
    yield ("POST", "/v1/outcomes/{outcome}/acknowledge"), Entry("outcomes:write leads:write", body={})
    contest = {"reason": "price", "note": "x"}
    yield ("POST", "/v1/outcomes/{outcome}/contest"), Entry("outcomes:write leads:write", body=contest)
    yield ("GET", "/v1/handovers"), Entry(read)
    yield ("GET", "/v1/handovers/{handover}"), Entry(read)
    yield ("GET", "/v1/clocks"), Entry(read, query={"lead": "$lead"})
    yield ("GET", "/v1/clocks/{clock}/explain"), Entry(read)
    yield ("GET", "/v1/escalations"), Entry("escalations:read")
    yield ("GET", "/v1/escalations/{escalation}"), Entry("escalations:read")
    later = {"until": "2027-01-01T00:00:00Z", "reason": "x"}
    for verb, body in (("acknowledge", {}), ("resolve", {}), ("waive", {"reason": "x"}), ("snooze", later)):
        yield ("POST", f"/v1/escalations/{{escalation}}/{verb}"), Entry("escalations:write", body=body)
    yield ("GET", "/v1/events"), Entry("events:read")
    yield ("POST", "/v1/test/leads/{lead}/play"), Entry(write, Who.PARTNER, body={"scenario": "lost"})
    for figure in ("funnel", "reasons", "feedback-debt"):
        yield ("GET", f"/v1/kpis/{figure}"), Entry("kpis:read", query=_FIGURES)


def _programs() -> Iterator[tuple[Key, Entry]]:
    write = "playbooks:write admin"
    yield ("GET", "/v1/programs"), Entry()
    for name in ("", "/playbook", "/form"):
        yield ("GET", f"/v1/programs/{{program}}{name}"), Entry()
    calls = {"calls": 3, "connected": 1}
    yield ("PUT", "/v1/programs/{program}/call-counts/{day}"), Entry("leads:write", Who.PARTNER, body=calls)
    windows = {"time_zone": "Asia/Tokyo", "weekly": {"mon": ["09:00-12:00"]}}
    yield ("GET", "/v1/calendars"), Entry("admin", Who.ADMIN)
    yield ("PUT", "/v1/calendars/{key}"), Entry("admin", Who.ADMIN, body=windows)
    opened = {"key": "x", "name": "x", "calendar": "tokyo", "partners": [{"partner": "$partner"}]}
    yield ("POST", "/v1/programs"), Entry(write, Who.MANAGER, body=opened)
    yield ("PATCH", "/v1/programs/{program}"), Entry(write, Who.MANAGER, body={"partners": [{"partner": "$partner"}]})
    yield ("GET", "/v1/programs/{program}/playbooks"), Entry("playbooks:read")
    yield ("GET", "/v1/programs/{program}/agreements"), Entry("playbooks:read")
    yield ("GET", "/v1/playbooks/{playbook}"), Entry("playbooks:read")
    yield ("GET", "/v1/playbooks/{playbook}/diff"), Entry("playbooks:read", query={"against": "$playbook"})
    yield ("POST", "/v1/playbooks/lint"), Entry("playbooks:read", body={"document": {}})
    trial = {"playbook": "$playbook", "program": "$program"}
    yield ("POST", "/v1/playbooks/simulate"), Entry("playbooks:read", Who.MANAGER, body=trial)
    yield ("GET", "/v1/assurance/ownership"), Entry("leads:read audit:read", Who.MANAGER)
    yield ("POST", "/v1/playbooks/{playbook}/decline"), Entry("playbooks:write", Who.MANAGER, body={"comment": "x"})
    proposal = {"document": {"playbook": 1}, "comment": "x", "answers": "$playbook"}
    yield ("POST", "/v1/programs/{program}/playbooks"), Entry("playbooks:write", Who.MANAGER, body=proposal)
    yield ("POST", "/v1/playbooks/{playbook}/agree"), Entry("playbooks:write", Who.MANAGER, body={})


def _administration() -> Iterator[tuple[Key, Entry]]:
    scopes = "partners:manage admin"

    def admin(body: Any = None) -> Entry:
        return Entry(scopes, Who.ADMIN, body=body)

    yield ("GET", "/v1/partners"), admin()
    yield ("POST", "/v1/partners"), admin({"key": "x", "name": "x"})
    yield ("GET", "/v1/partners/{partner}"), admin()
    yield ("PATCH", "/v1/partners/{partner}"), admin({"name": "x"})
    yield ("GET", "/v1/partners/{partner}/clients"), admin()
    yield ("POST", "/v1/partners/{partner}/clients"), admin(_CLIENT)
    invitations = "/v1/partners/{partner}/invitations"
    yield ("GET", invitations), admin()
    yield ("POST", invitations), admin({"name": "x"})
    yield ("POST", f"{invitations}/{{invitation}}/withdraw"), admin({})

    def own(body: Any = None) -> Entry:
        return Entry(scopes, Who.OWN_ADMIN, body=body)

    one = "/v1/clients/{client}"
    yield ("GET", "/v1/clients"), own()
    yield ("POST", "/v1/clients"), own(_CLIENT)
    yield ("GET", one), own()
    yield ("PATCH", one), own({"name": "x"})
    yield ("DELETE", one), own()
    yield ("POST", f"{one}/secrets"), own({})
    yield ("DELETE", f"{one}/secrets/{{secret}}"), own()
    yield ("POST", f"{one}/keys"), own({"jwk": public_jwk(SigningKey.make().public)})
    yield ("DELETE", f"{one}/keys/{{public_key}}"), own()


def _deliveries() -> Iterator[tuple[Key, Entry]]:
    hooks = "webhooks:manage"
    one = "/v1/webhook-endpoints/{endpoint}"
    yield ("GET", "/v1/webhook-endpoints"), Entry(hooks)
    yield ("POST", "/v1/webhook-endpoints"), Entry(hooks, body=_ENDPOINT)
    yield ("GET", one), Entry(hooks)
    yield ("PATCH", one), Entry(hooks, body={"description": "x"})
    yield ("DELETE", one), Entry(hooks)
    yield ("POST", f"{one}/rotate-secret"), Entry(hooks, body={})
    yield ("POST", f"{one}/test"), Entry(hooks, body={})
    yield ("POST", f"{one}/enable"), Entry(hooks, body={})
    yield ("POST", f"{one}/replays"), Entry(hooks, body={"from_sequence": 1, "to_sequence": 9})
    yield ("GET", "/v1/deliveries"), Entry(hooks, query={"endpoint_id": "$endpoint", "destination_id": "$destination"})
    yield ("GET", "/v1/deliveries/{delivery}"), Entry(hooks)
    yield ("POST", "/v1/deliveries/{delivery}/resend"), Entry(hooks, body={})
    yield ("GET", "/v1/event-types"), Entry("webhooks:manage events:read")

    manage = "destinations:manage"
    yield ("GET", "/v1/destinations"), Entry(manage, Who.ADMIN)
    yield ("POST", "/v1/destinations"), Entry(manage, Who.ADMIN, body=_TOOL)
    yield ("GET", "/v1/destinations/{destination}"), Entry(manage, Who.ADMIN)
    yield ("PATCH", "/v1/destinations/{destination}"), Entry(manage, Who.ADMIN, body={"name": "x"})
    yield ("DELETE", "/v1/destinations/{destination}"), Entry(manage, Who.ADMIN)
    yield ("POST", "/v1/destinations/{destination}/test"), Entry(manage, Who.ADMIN, body={})


def _public() -> Iterator[tuple[Key, Entry]]:
    form = {"content": "x=1", "media_type": "application/x-www-form-urlencoded"}
    for path in ("token", "revoke", "introspect"):
        yield ("POST", f"/oauth/{path}"), Entry(who=Who.EVERYBODY, **form)
    for path in ("/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/problems/{slug}"):
        yield ("GET", path), _PUBLIC
    for path in ("/health/live", "/health/ready", "/metrics", "/openapi.json"):
        yield ("GET", path), _PUBLIC
    yield ("POST", "/v1/invitations/redeem"), Entry(who=Who.EVERYBODY, body={"code": "x"})
    yield ("POST", "/test/clock/advance"), Entry(who=Who.EVERYBODY, body={"seconds": 0})


ENTRIES: Final[Mapping[Key, Entry]] = dict([*_members(), *_programs(), *_administration(), *_deliveries(), *_public()])


def routes_of(app: FastAPI) -> dict[Key, APIRoute | None]:
    """Return every (method, path) that the application answers; None where the route is the framework's own."""
    found: dict[Key, APIRoute | None] = {}
    for route in app.routes:
        path, methods = getattr(route, "path", None), getattr(route, "methods", None)
        for method in (methods or set()) - {"HEAD"} if path else ():
            found[method, path] = route if isinstance(route, APIRoute) else None
    return found


def guarded(app: FastAPI) -> list[tuple[Key, Entry]]:
    """Return the routes that need a token."""
    mounted = routes_of(app)
    return [(key, entry) for key, entry in ENTRIES.items() if entry.who is not Who.EVERYBODY and key in mounted]
