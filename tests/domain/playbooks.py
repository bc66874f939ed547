"""The default playbook, parsed once, and small makers of leads and actors."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml

from app.domain.actor import Actor, Side
from app.domain.lead import OPEN, Handover, Lead, Outcome, Party
from app.domain.playbook import Playbook
from app.domain.playbook_reader import read_playbook

ROOT = Path(__file__).parents[2]
TENANT, PARTNER, OTHER_PARTNER = UUID(int=1), UUID(int=2), UUID(int=3)
LEAD, HANDOVER, OUTCOME, CLIENT = UUID(int=10), UUID(int=11), UUID(int=12), UUID(int=13)

VENDOR = Party(PARTNER, "partner", Side.PARTNER)
SALES = Party(TENANT, "internal_sales", Side.INTERNAL)
MANAGER = Party(TENANT, "manager", Side.INTERNAL)
SUCCESS = Party(TENANT, "customer_success", Side.INTERNAL)

EVERYTHING_KNOWN = frozenset({"/context/pain_points", "/context/temperature", "/context/bant/need"})


@cache
def _parsed() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "examples" / "playbook.yaml").read_text("utf-8"))


def document() -> dict[str, Any]:
    """Return a copy that a test may change."""
    return deepcopy(_parsed())


@cache
def default() -> Playbook:
    return read_playbook(document(), UUID(int=9), 1)


def actor(party: Party, *extra: str) -> Actor:
    return Actor(TENANT, party.organization_id, CLIENT, party.side, frozenset({party.role, *extra}), frozenset())


def handover(status: str, giver: Party = VENDOR, receiver: Party = SALES, enters: str | None = None) -> Handover:
    return Handover(HANDOVER, status, giver, receiver, None, enters)


def lead(**given: Any) -> Lead:
    base: Mapping[str, Any] = {
        "id": LEAD,
        "tenant_id": TENANT,
        "partner_id": PARTNER,
        "status": OPEN,
        "stage": "awareness",
        "owner": VENDOR,
        "known": EVERYTHING_KNOWN,
        "completeness": 1.0,
        "activities": frozenset({("call", "connected"), ("meeting", "held")}),
        "handover": None,
        "outcome": None,
    }
    return Lead(**{**base, **given})


def outcome(result: str) -> Outcome:
    return Outcome(OUTCOME, result, 1)
