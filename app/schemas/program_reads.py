"""Programs, playbooks and forms as callers read them; calendars and call totals as they are written."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from app.schemas.base import Day, In, Line, Moment, Out

_Window = Annotated[str, StringConstraints(max_length=11)]
_Windows = Annotated[list[_Window], Field(max_length=24)]
_Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DayText = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class ProgramOut(Out):
    """A collaboration. A partner sees itself among those that take part, never the others."""

    id: str
    key: str
    name: str
    status: str
    product: str | None
    pilot: bool
    calendar: str | None
    partners: list[str]
    playbook: str | None = Field(description="The version in force.")
    created_at: Moment
    updated_at: Moment


class ProgramPage(Out):
    """A page of programs."""

    items: list[ProgramOut]
    next_cursor: str | None


class PlaybookInForce(Out):
    """The rules as data; `docs/playbook.md` explains each field."""

    id: str
    program: str
    version: int
    in_force_at: Moment | None
    document: dict[str, Any]


class FormChoice(Out):
    """A code and its labels."""

    code: str
    label_en: str
    label_ja: str


class FormFieldOut(Out):
    """A question: where its answer goes, where it is asked, and what stays closed without it."""

    pointer: str
    label_en: str
    label_ja: str
    help_en: str | None
    help_ja: str | None
    choices: list[FormChoice] | None
    asked_in: str
    gates: list[dict[str, str]]


class FormOut(Out):
    """The context form, as a list of questions and as JSON Schema of the part of a lead that it asks for."""

    program: str
    version: int
    fields: list[FormFieldOut]
    json_schema: dict[str, Any] = Field(alias="schema")


class CallCountIn(In):
    """Totals of the organisation, never of a caller."""

    calls: Annotated[int, Field(ge=0, le=1_000_000)]
    connected: Annotated[int, Field(ge=0, le=1_000_000)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.connected > self.calls:
            raise ValueError("no more calls can be connected than were made")
        return self


class CallCountOut(Out):
    """The totals of one day."""

    program: str
    date: Day
    calls: int
    connected: int


class Closure(In):
    """A closed day, and why."""

    on: _DayText
    label: Line | None = None


class CalendarIn(In):
    """Business hours: weekly windows in a time zone, closures, and days with other windows."""

    time_zone: Line = Field(examples=["Asia/Tokyo"])
    weekly: dict[_Weekday, _Windows] = Field(examples=[{"mon": ["09:00-12:00", "13:00-18:00"]}])
    closures: Annotated[list[_DayText | Closure], Field(max_length=4000)] | None = Field(
        None, examples=[["2026-12-29"]]
    )
    exceptions: Annotated[dict[_DayText, _Windows], Field(max_length=4000)] | None = None
    known_through: _DayText | None = Field(None, description="The last day whose holidays are settled.")


class CalendarOut(Out):
    """The newest version of a calendar."""

    key: str
    version: int
    time_zone: str
    weekly: dict[str, list[str]]
    closures: list[str | Closure] = Field(default_factory=list[str | Closure])
    exceptions: dict[str, list[str]] = Field(default_factory=dict[str, list[str]])
    known_through: str | None = None
    created_at: Moment


class CalendarsOut(Out):
    """Every calendar of the tenant."""

    items: list[CalendarOut]
