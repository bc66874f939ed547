"""Turns a refusal of the playbook into the error that callers get: its slug, the rule and version, what is missing."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.domain import errors
from app.domain.actor import Actor
from app.domain.journey import Command, Effects, Refusal, Verdict, decide
from app.domain.lead import Lead
from app.domain.playbook import Playbook

_CLASSES: Mapping[str, type[errors.BatonError]] = MappingProxyType(
    {
        held.slug: held
        for held in (
            errors.ConsultationNotOpenError,
            errors.HandoverIncompleteError,
            errors.HandoverNotPendingError,
            errors.HandoverPendingError,
            errors.LeadNotOpenError,
            errors.NotFoundError,
            errors.NotOwnerError,
            errors.NotPermittedError,
            errors.OutcomeExistsError,
            errors.ReasonNotAllowedError,
            errors.StageRefusedError,
        )
    }
)


def refused(playbook: Playbook, refusal: Refusal) -> errors.BatonError:
    """Return the error of a refusal; it cites the rule and the version that refused."""
    members: dict[str, Any] = {"playbook": playbook.cite(refusal.rule)}
    if refusal.missing:
        members["missing"] = list(refusal.missing)
    return _CLASSES[refusal.slug](refusal.detail, **members)


def permitted(playbook: Playbook, lead: Lead, actor: Actor, command: Command, now: datetime) -> Effects:
    """Return the effects of a command, or raise the error of its refusal."""
    return granted(playbook, decide(playbook, lead, actor, command, now))


def granted(playbook: Playbook, verdict: Verdict) -> Effects:
    """Return the effects of a verdict, or raise the error of its refusal."""
    if isinstance(verdict, Refusal):
        raise refused(playbook, verdict)
    return verdict
