"""Reads the two vendors' files as a vendor's own script would: NDJSON as it stands, CSV by its dotted columns."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class VendorFile:
    """A vendor's file: the bytes to import, and the bodies of its readable rows by external id."""

    name: str
    media_type: str
    raw: bytes
    bodies: dict[str, dict[str, Any]]


def vendor_a() -> VendorFile:
    """Return vendor A's file. A line that is no JSON is left to Baton to refuse."""
    path = EXAMPLES / "partner_a_leads.ndjson"
    raw = path.read_bytes()
    bodies: dict[str, dict[str, Any]] = {}
    for line in raw.decode().splitlines():
        try:
            body = json.loads(line)
        except ValueError:
            continue
        bodies.setdefault(body["external_id"], body)
    return VendorFile(path.name, "application/x-ndjson", raw, bodies)


def vendor_b() -> VendorFile:
    """Return vendor B's file."""
    path = EXAMPLES / "partner_b_leads.csv"
    raw = path.read_bytes()
    rows = csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline=""))
    return VendorFile(path.name, "text/csv", raw, {row["external_id"]: _body(row) for row in rows})


def _body(row: dict[str, str]) -> dict[str, Any]:
    """Return a CSV row as the JSON body that says the same."""
    body: dict[str, Any] = {}
    for column, text in row.items():
        if not text:
            continue
        *folders, leaf = column.split(".")
        place = body
        for folder in folders:
            place = place.setdefault(folder, {})
        place[leaf] = _value(column, text)
    return body


def _value(column: str, text: str) -> Any:
    if column == "context.pain_points":
        return [dict(zip(("category", "note"), part.split(": ", 1), strict=True)) for part in text.split("; ")]
    if column == "context.concerns":
        return text.split("; ")
    return {"value": text} if column.startswith("context.bant.") else text


def calendar() -> dict[str, Any]:
    """Return the demo's calendar."""
    with (EXAMPLES / "calendar.yaml").open(encoding="utf-8") as file:
        return yaml.safe_load(file)


def playbook() -> dict[str, Any]:
    """Return the default playbook."""
    with (EXAMPLES / "playbook.yaml").open(encoding="utf-8") as file:
        return yaml.safe_load(file)
