"""The stored ES256 keys of the issuer: which are trusted now, which of them signs, and the next one made in time.

Everything follows from the times in the rows, so all processes agree without talking: the key that signs is the one
that became active last, its successor stands in the key set a whole period before it signs, and it is trusted itself
until what it signed has expired everywhere. The public half in a row is for people; what is trusted comes out of the
sealed half, so writing a row does not suffice to mint tokens. A stolen key ends by setting its `retires_at`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic_core import to_json

from app.db.session import Transaction
from app.security.keyring import MasterKeys
from app.security.signing_keys import SigningKey, public_jwk

PERIOD: Final = timedelta(days=90)  # security.md 3.1 wants a successor published 24 h before it signs
OVERLAP: Final = timedelta(minutes=30)  # longest token 15 min, leeway, key sets cached for 5 min, reload after 30 s

_LOCK: Final = 7_201_955_003
"""An arbitrary advisory lock number: one process at a time makes keys."""

# Not now(): who waited for the lock began before the keys that it then finds became active.
_TRUSTED = """
select kid, private, active_from, active_from <= statement_timestamp() as active from baton.signing_key
where retires_at is null or retires_at > statement_timestamp() order by active_from, kid
"""
_ADD = """
insert into baton.signing_key (kid, private, public, created_at, active_from)
values ($1, $2, $3::text::jsonb, statement_timestamp(), $4)
"""
_RETIRE = "update baton.signing_key set retires_at = $1 where retires_at is null"


@dataclass(frozen=True, slots=True)
class KeySet:
    """The trusted keys in the order in which they sign; `active` is the one that signs now."""

    active: SigningKey
    keys: tuple[SigningKey, ...]


class SigningKeyStore:
    """Reads and makes the keys, and remembers those that it has opened: a key never changes."""

    __slots__ = ("_master_keys", "_opened")

    def __init__(self, master_keys: MasterKeys) -> None:
        self._master_keys = master_keys
        self._opened: dict[str, SigningKey] = {}

    async def load(self, tx: Transaction) -> KeySet:
        """Return the keys that are trusted now. Makes the first key, and each next one once its turn has come.

        Raises UnsealError where a key was sealed under a master key that is not in the ring.
        """
        rows = await tx.fetch(_TRUSTED)
        if _lacking(rows):
            await tx.execute("select pg_advisory_xact_lock($1)", _LOCK)
            rows = await tx.fetch(_TRUSTED)
            if _lacking(rows):
                await self._extend(tx, signs=any(row["active"] for row in rows))
                rows = await tx.fetch(_TRUSTED)
        keys = [self._open(row["kid"], row["private"]) for row in rows]
        self._opened = {key.kid: key for key in keys}
        active = [key for key, row in zip(keys, rows, strict=True) if row["active"]]
        return KeySet(active[-1], tuple(keys))

    async def _extend(self, tx: Transaction, *, signs: bool) -> None:
        """Add the key that signs one period from now, and before it one that signs at once where none does.

        The period counts from now, also after a long sleep: what was published a moment ago must not sign yet.
        """
        now: datetime = await tx.fetchval("select statement_timestamp()")
        if not signs:
            await self._add(tx, now)
        await tx.execute(_RETIRE, now + PERIOD + OVERLAP)
        await self._add(tx, now + PERIOD)

    async def _add(self, tx: Transaction, active_from: datetime) -> None:
        key = SigningKey.make()
        sealed = self._master_keys.seal(key.to_bytes(), tenant=None, table="signing_key", column="private", row=key.kid)
        await tx.execute(_ADD, key.kid, sealed, to_json(public_jwk(key.public)).decode(), active_from)

    def _open(self, kid: str, sealed: bytes) -> SigningKey:
        held = self._opened.get(kid)
        if held is not None:
            return held
        plain = self._master_keys.open(sealed, tenant=None, table="signing_key", column="private", row=kid)
        return SigningKey.from_bytes(plain)


def _lacking(rows: Sequence[Any]) -> bool:
    """Tell whether no key signs now, or none is there to follow it."""
    return not rows or rows[-1]["active"] or not any(row["active"] for row in rows)
