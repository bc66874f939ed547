"""Mutations that make no difference, each with the reason; whatever is not named here must be caught."""

import re
from typing import Final

from tests.isolation.plants import Administrator, Check, Policy, Scopes, Where

_EQUIVALENT: Final[tuple[tuple[str, str], ...]] = ()
"""(pattern of the mutation's line, reason)."""


def reason(planted: Policy | Where | Scopes | Administrator | Check) -> str:
    """Return why a mutation cannot make a difference, empty where it must be caught."""
    line = str(planted)
    return next((why for pattern, why in _EQUIVALENT if re.search(pattern, line)), "")
