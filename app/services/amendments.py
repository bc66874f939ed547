"""Applies a merge patch (RFC 7396) to a lead: null removes, what is left out stays, the whole is validated anew."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import to_json

from app.db import cases
from app.db.apply import Facts, apply
from app.db.cases import Case, LeadRef
from app.db.session import Transaction
from app.domain.actor import BOTH, Actor
from app.domain.errors import StaleVersionError, ValidationFailedError
from app.domain.journey import Command
from app.domain.lead import form_state, known_fields
from app.domain.refusals import permitted
from app.domain.view import etag
from app.schemas.lead_body import canonical, choice_errors, company_columns, plain
from app.schemas.leads import LeadIn, LeadPatch
from app.services.kit import Kit

_PARTS = ("company", "contact", "provenance", "context", "metadata")
"""The parts of a lead that a patch may change; `program` and `external_id` never change."""


def merged(target: Any, patch: Any) -> Any:  # noqa: ANN401  # JSON values
    """Return `target` with `patch` applied, as RFC 7396 section 2 has it."""
    if not isinstance(patch, Mapping):
        return patch
    result: dict[str, Any] = dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    for name, value in cast("Mapping[str, Any]", patch).items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


async def patch(tx: Transaction, actor: Actor, kit: Kit, ref: LeadRef, body: LeadPatch, if_match: str) -> Case:
    """Change a lead. Raises StaleVersionError when the caller's view has changed since `if_match`."""
    case = await cases.by_lead(tx, actor, ref)
    if if_match != etag(case.row, actor.side):
        raise StaleVersionError("The lead has changed since that version.")
    effects = permitted(case.playbook, case.lead, actor, Command("update"), case.now)
    given = body.model_dump(mode="json", exclude_unset=True)
    whole = _validated(case, {name: merged(case.row.get(name) or {}, given[name]) for name in given})
    await apply(case, effects, _facts(case, whole, given), public_url=kit.public_url)
    return case


async def overwrite(tx: Transaction, actor: Actor, kit: Kit, body: LeadIn) -> Case:
    """Apply a whole body to the lead of its external id as a patch: what it leaves out stays (imports)."""
    ref = LeadRef(external_id=body.external_id)
    case = await cases.by_lead(tx, actor, ref)
    effects = permitted(case.playbook, case.lead, actor, Command("update"), case.now)
    given = {
        name: value
        for name, value in body.model_dump(mode="json", exclude_unset=True, exclude_none=True).items()
        if name in _PARTS
    }
    whole = _validated(case, {name: merged(case.row.get(name) or {}, given[name]) for name in given})
    await apply(case, effects, _facts(case, whole, given), public_url=kit.public_url)
    return case


def _validated(case: Case, changed: Mapping[str, Any]) -> LeadIn:
    row = case.row
    held = {name: row.get(name) or None for name in _PARTS}
    candidate = {
        **held,
        "context": row["context"],
        "program": case.playbook.program,
        "external_id": row["external_id"],
        "test": row["test"],
        **changed,
    }
    try:
        return LeadIn.model_validate_json(to_json(candidate))
    except ValidationError as error:
        errors = [
            {"pointer": "/" + "/".join(str(part) for part in one["loc"]), "code": "invalid", "message": "Not valid."}
            for one in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise ValidationFailedError("The lead would not be valid after the change.", errors=errors[:50]) from None


def _facts(case: Case, whole: LeadIn, given: Mapping[str, Any]) -> Facts:
    said = plain(whole, test=whole.test)
    company, contact, context = said["company"], said.get("contact"), said.get("context", {})
    provenance = said["provenance"]
    errors = choice_errors(case.playbook, company, context)
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)
    known = known_fields({"company": company, "contact": contact or {}, "provenance": provenance, "context": context})
    completeness, missing = form_state(case.playbook.form, known)
    shared = sorted(given.keys() - {"metadata"})
    facts = Facts(
        lead={
            **company_columns(company),
            "provenance": provenance,
            "context": context,
            "completeness": completeness,
            "missing": missing,
            "body_hash": canonical(said),
        },
        metadata=(case.lead.id, whole.metadata or {}) if "metadata" in given else None,
        contents={
            "lead.updated": (
                {"changed": sorted(given), "known": sorted(known), "completeness": completeness},
                {"changed": shared or ["metadata"], "completeness": completeness, "missing": missing},
            )
        },
        # Nobody else sees the metadata; everybody sees the company.
        sides=BOTH if shared else (cast("Actor", case.actor).side,),
        concerned=BOTH if "company" in given else (),
    )
    if "contact" in given:
        facts.contact = contact or {}
    case.row |= {"contact": contact, "metadata": whole.metadata}
    return facts
