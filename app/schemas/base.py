"""The ground of every wire contract: unknown fields are refused, texts are bounded, times are UTC."""

from datetime import UTC, date, datetime
from typing import Annotated, Final, Literal, TypeVar, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
)
from pydantic_core import CoreSchema

Dated = TypeVar("Dated", bound=date)
FIRST_YEAR: Final = 1971
LAST_YEAR: Final = 2999
"""Business time is kept from 1970 to 9989: in any zone, whatever is due after a day of these years can be computed."""


def _hold_to_type(schema: object) -> None:
    if isinstance(schema, dict):
        parts = cast("dict[str, object]", schema)
        if parts.get("type") in {"int", "float", "bool"}:
            parts.setdefault("strict", True)
        for part in parts.values():
            _hold_to_type(part)
    elif isinstance(schema, list | tuple):
        for part in cast("list[object]", schema):
            _hold_to_type(part)


class In(BaseModel):
    """A request body. Strict: a number is not a text, a text is no number, an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, regex_engine="rust-regex")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[BaseModel], handler: GetCoreSchemaHandler) -> CoreSchema:
        """Hold numbers and booleans to their own JSON types. A strict model would refuse dates and sets as well."""
        schema = handler(source)
        _hold_to_type(schema)
        return schema


class NothingIn(In):
    """Nothing to say: an empty object."""


class Out(BaseModel):
    """A response, for the OpenAPI document; bodies are rendered from the same names."""

    model_config = ConfigDict(extra="forbid")


class OfLead(Out):
    """What hangs on a lead."""

    test: bool = Field(False, description="True where it is a test lead; absent otherwise.")


def _has_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, such as Z or +09:00")
    return _in_reach(value).astimezone(UTC)


def _in_reach(value: Dated) -> Dated:
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"a year from {FIRST_YEAR} to {LAST_YEAR} is expected")
    return value


def _is_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a text in RFC 3339 form is expected")  # noqa: TRY004  # Pydantic reports a ValueError only
    return value


Moment = Annotated[datetime, BeforeValidator(_is_text), AfterValidator(_has_zone)]
"""An RFC 3339 time with a zone; kept in UTC."""
Day = Annotated[date, BeforeValidator(_is_text), AfterValidator(_in_reach)]
"""A calendar day, YYYY-MM-DD."""
ExternalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""The caller's own reference; it stands in paths."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""A short text."""
Prose = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
"""A free text of at most 4,000 characters."""
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_+-]{0,63}$")]
"""A code of a closed set that the playbook holds."""
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
"""An address to send to; what Baton sends to is decided by the egress rules."""
Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,40}$")],
        Annotated[str, StringConstraints(max_length=200)],
    ],
    Field(max_length=20),
]
"""At most 20 short strings, seen only by the organisation that wrote them."""
Amount = Annotated[str, StringConstraints(pattern=r"^\d{1,15}(\.\d{1,4})?$")]
"""A decimal number as text: no rounding on the way."""


class LabelledReason(Out):
    """A reason with both labels."""

    code: str = Field(examples=["price"])
    label_en: str = Field(examples=["Price"])
    label_ja: str = Field(examples=["価格"])


class Money(In):
    """An amount with its currency."""

    value: Amount = Field(examples=["1200000"])
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = Field(examples=["JPY"])


Temperature = Literal["hot", "warm", "cold"]
Authority = Literal["unknown", "user", "influencer", "recommender", "decision_maker"]
"""BANT authority; also the role of a contact."""
StatedBy = Literal["customer_stated", "seller_hypothesis", "partner_hypothesis"]
