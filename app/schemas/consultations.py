"""Consultations as callers ask, answer and read them. They go to organisations and roles, never to a person."""

from typing import Literal

from pydantic import Field

from app.schemas.base import Code, In, Moment, OfLead, Out, Prose
from app.schemas.lists import ClockParty

_PURPOSE = "More customers who chose well. / 納得して選んだ顧客を増やす。"
_QUESTION = "既存の販売管理システムと連携できますか。"


class ConsultationIn(In):
    """A question to a role that the playbook names to be consulted in the lead's stage."""

    role: Code = Field(examples=["technical"])
    question: Prose = Field(examples=[_QUESTION])
    purpose: Prose | None = Field(None, description="What it serves; left out, the purpose that the playbook states.")
    due: Moment | None = Field(None, description="When the answer is needed; left out, what the playbook allows.")


class ConsultationAnswerIn(In):
    """The answer."""

    text: Prose = Field(examples=["標準の連携機能で対応できます。設定例をお送りします。"])


class ConsultationDeclineIn(In):
    """Why not, and what is possible instead."""

    reason: Prose = Field(examples=["個別開発の見積りは今週中にはできません。"])
    alternative: Prose = Field(examples=["標準機能で足りる範囲は本日お答えします。"])


class ConsultationDecision(Out):
    """How the consultation ended; `text` of an answer, `reason` and `alternative` of a refusal."""

    verb: Literal["answer", "decline", "withdraw"]
    text: str | None = Field(examples=["標準の連携機能で対応できます。設定例をお送りします。"])
    reason: str | None = Field(examples=[None])
    alternative: str | None = Field(examples=[None])
    by_role: str = Field(examples=["technical"])
    at: Moment


class ConsultationOut(OfLead):
    """A consultation; both sides see the same. The purpose stands first: it is what asks, not a role."""

    purpose: str = Field(examples=[_PURPOSE])
    id: str
    lead_id: str
    external_id: str
    status: Literal["requested", "answered", "declined", "withdrawn"] = Field(examples=["answered"])
    question: str = Field(examples=[_QUESTION])
    stage: str = Field(description="The stage in which it was asked.")
    asker: ClockParty
    asked: ClockParty
    requested_at: Moment
    due_at: Moment | None = Field(description="Null once it has ended.", examples=[None])
    decision: ConsultationDecision | None


class ConsultationPage(Out):
    """A page of consultations."""

    items: list[ConsultationOut]
    next_cursor: str | None = Field(description="Goes into `cursor` for the next page; null on the last one.")
