"""Imports of leads as callers read them."""

from typing import Any, Literal

from pydantic import Field

from app.schemas.base import Moment, OfLead, Out


class ImportCounts(OfLead):
    """How many rows an import took, and what became of them."""

    id: str
    status: Literal["running", "ended", "aborted"]
    received: int
    created: int
    same: int = Field(description="Rows that were sent before with an equal body.")
    updated: int
    refused: int


class ImportRow(Out):
    """What became of one row."""

    line: int = Field(description="Counts from 1, a CSV header included.")
    external_id: str | None
    result: Literal["created", "same", "updated", "refused"]
    lead_id: str | None
    problem: dict[str, Any] | None = Field(description="Why a row was refused; `type` names the kind of problem.")


class ImportOut(ImportCounts):
    """An import with a page of its rows."""

    format: Literal["ndjson", "csv"]
    started_at: Moment
    ended_at: Moment | None
    rows: list[ImportRow]
    next_after: int | None = Field(description="Goes into `after` for the next page; null on the last one.")
