"""The reasons for which a lead is not accepted, as callers read them. `not_available` never says what decided."""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.playbook import Label

NOT_AVAILABLE = "not_available"

LABELS: Mapping[str, Label] = MappingProxyType(
    {
        NOT_AVAILABLE: Label("Not available", "受付対象外"),
        "outside_scope": Label("Outside the scope of the program", "プログラムの対象外"),
        "capacity_exceeded": Label("The agreed capacity is used up", "受付上限超過"),
        "no_lawful_basis": Label("No lawful basis for using the data", "適法な根拠なし"),
    }
)
"""Decision reasons of contract 4. Others' data and do-not-contact entries have the one reason `not_available`."""
