"""Tells a database in trouble from a bug, and logs the unforeseen without a word of the request."""

import logging
import traceback
from typing import Final

import asyncpg  # pyright: ignore[reportMissingTypeStubs] - the driver ships none

from app.domain.errors import BatonError, OverloadedError
from app.routers.refusals import InternalError

RETRY_AFTER_SECONDS: Final = 2

# Classes of SQLSTATE (PostgreSQL, appendix A): connection, resources, operator intervention, rollback by the server,
# lock not available.
_PASSING_STATES: Final = ("08", "53", "57", "40", "55P03")

_log = logging.getLogger(__name__)


def refusal_of(error: Exception, request_id: str) -> BatonError:
    """Return what the caller is told about an exception that nobody foresaw, and log it."""
    if _passes(error):
        _log.warning("database in trouble: %s", _named(error), extra={"request_id": request_id})
        detail = "Baton cannot reach its database just now."
        return OverloadedError(detail, retry_after=RETRY_AFTER_SECONDS)
    log_unforeseen(error, request_id)
    return InternalError("Something unforeseen happened; the request_id finds it in Baton's log.")


def log_unforeseen(error: BaseException, request_id: str) -> None:
    """Log type and place of an exception and its causes; messages may quote values, so they are left out."""
    lines: list[str] = []
    current: BaseException | None = error
    while current is not None and len(lines) < 200:
        lines.append(_named(current))
        lines.extend(line.rstrip() for line in traceback.format_tb(current.__traceback__))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    _log.error("unforeseen: %s", "\n".join(lines), extra={"request_id": request_id})


def _passes(error: Exception) -> bool:
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    if isinstance(error, asyncpg.PostgresError):
        return str(getattr(error, "sqlstate", "")).startswith(_PASSING_STATES)
    # The driver has one class for a lost connection and for a wrong call.
    return isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)


def _named(error: BaseException) -> str:
    kind = type(error)
    state = getattr(error, "sqlstate", None)
    constraint = getattr(error, "constraint_name", None)
    return " ".join(part for part in (f"{kind.__module__}.{kind.__qualname__}", state, constraint) if part)
