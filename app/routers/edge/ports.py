"""What the edge needs from the rest of Baton: a verifier of tokens and a database that opens transactions."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from app.db.idempotency import Row
from app.domain.actor import Actor


class Claims(Protocol):
    """What a verified token says."""

    @property
    def actor(self) -> Actor:
        """The caller that the token names."""
        ...


class Verifier(Protocol):
    """Checks access tokens."""

    def verify(self, token: str) -> Claims:
        """Return the claims, or raise UnauthenticatedError whatever is wrong with the token."""
        ...


class Transaction(Protocol):
    """One open transaction; its BEGIN is sent with its first statement."""

    async def fetchrow(self, sql: str, /, *args: object) -> Row | None:
        """Return the first row or None."""
        ...

    async def fetch(self, sql: str, /, *args: object) -> Sequence[Row]:
        """Return every row."""
        ...

    async def fetchval(self, sql: str, /, *args: object) -> object:
        """Return the first value of the first row or None."""
        ...

    async def execute(self, sql: str, /, *args: object) -> object:
        """Run a statement."""
        ...


class Database(Protocol):
    """Opens transactions as a caller; commits on normal exit, rolls back on an exception."""

    def transaction(self, actor: Actor, /) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction that sees what `actor` may see."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What the composition root hands to the edge."""

    verifier: Verifier
    database: Database
