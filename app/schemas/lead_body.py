"""What follows from a validated lead body: its hash, the columns it is found under, codes the playbook must hold."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, cast

from pydantic_core import to_json

from app.domain.matching import normalise_company_name, normalise_domain, normalise_phone
from app.domain.playbook import Playbook
from app.schemas.leads import LeadIn


def plain(body: LeadIn, *, test: bool) -> dict[str, Any]:
    """Return what a validated body says as plain JSON, in one order and without what it leaves out.

    `test` is said for a test client that does not say it: the lead is compared as it is kept.
    """
    said = body.model_dump(mode="json", exclude_none=True, exclude={"test"})
    if "metadata" in said:
        said["metadata"] = dict(sorted(said["metadata"].items()))  # its names are the caller's, and so was their order
    return {**said, "test": True} if test else said


def canonical(said: Mapping[str, Any]) -> bytes:
    """Return the hash of a plain body: equal bodies are equal whatever their spacing and order of fields.

    Hashes are stored: a new field of a lead has no default but None, or leads of before would not be recognised.
    """
    return sha256(to_json(said)).digest()


def choice_errors(playbook: Playbook, company: Mapping[str, Any], context: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return an error for every code that the playbook's closed sets do not hold, and for an `other` without a note."""
    asked: list[tuple[str, str, object]] = [
        ("/company/industry", "industries", company.get("industry")),
        ("/company/employees", "employees", company.get("employees")),
    ]
    unexplained: list[dict[str, str]] = []
    for index, point in enumerate(cast("Iterable[Mapping[str, Any]]", context.get("pain_points") or ())):
        asked.append((f"/context/pain_points/{index}/category", "pain_categories", point["category"]))
        if point["category"] == "other" and not point.get("note"):
            pointer = f"/context/pain_points/{index}/note"
            unexplained.append({"pointer": pointer, "code": "required", "message": "`other` needs a note."})
    return unexplained + [
        {"pointer": pointer, "code": "enum", "message": "The playbook does not hold this code."}
        for pointer, choice_set, code in asked
        if code is not None and code not in playbook.choices.get(choice_set, {})
    ]


def company_columns(company: Mapping[str, Any]) -> dict[str, Any]:
    """Return the company with the normalised columns under which it is found and matched."""
    return {
        "company": company,
        "company_key": normalise_company_name(company["name"]),
        "corporate_number": company.get("corporate_number"),
        "domain": normalise_domain(company["domain"]) if company.get("domain") else None,
        "phone": normalise_phone(company["phone"]) if company.get("phone") else None,
    }
