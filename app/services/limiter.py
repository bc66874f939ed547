"""Owns the permits that this process holds: spends them from memory, and leases more before they run out.

Almost no request waits for the database: a lease is a two-hundredth of a policy, and is filled up beside the requests
once three quarters of it are spent. What is leased was taken from the common count first, so all processes together
never let more pass than the policy says. Times are real time, on a monotonic clock.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from itertools import islice
from secrets import randbits
from typing import Final, NoReturn

from app.db import permits
from app.db.permits import LIFE_S, Account, Subject
from app.db.session import Database
from app.domain.errors import OverloadedError, RateLimitedError
from app.domain.limits import FAILS_CLOSED, WINDOW_S, Policy

MOST_HELD: Final = 20_000
"""Counts kept in memory, about 400 bytes each; strangers can make one for every client id that they invent."""
_MARGIN_S: Final = 1.0  # between the end of a lease here and in the database, whose clock may run a little faster
_RENEW_AT: Final = 4  # a lease is filled up when a quarter of it is left
_NEVER: Final = -1
_LOOKED_AT: Final = 64  # of the counts kept longest, for one that may go
_REFUSE_S: Final = 0.02  # refusals need not ask again for each permit; those restored meanwhile come together
_RETRY_S: Final = 1.0  # after a failure of the database

_log = logging.getLogger(__name__)


class Standing:
    """One count as this process knows it: permits to spend, and what answers may tell its own client about it."""

    __slots__ = (
        "free",
        "lease",
        "low",
        "policy",
        "quota",
        "refused_until",
        "renewal",
        "rest",
        "spent",
        "spent_at",
        "until",
    )

    def __init__(self, policy: Policy, quota: int) -> None:
        self.policy, self.quota = policy, quota
        self.free = self.rest = self.spent = 0
        self.low = _NEVER
        self.until = self.refused_until = -math.inf
        self.spent_at = 0.0
        self.lease = randbits(63)
        self.renewal: asyncio.Task[bool] | None = None

    @property
    def remaining(self) -> int:
        """How many more may come now; what other processes hold is not in it."""
        return self.rest + self.free

    def restored_in(self, remaining: int) -> int:
        """Return the whole seconds, rounded up, until the quota is restored in full from `remaining`."""
        return -((remaining - self.quota) * WINDOW_S // self.quota)


class Limiter:
    """The rate limits of one process and event loop. `quotas` hold for clients that have no figure of their own."""

    __slots__ = ("_clock", "_database", "_failed_until", "_held", "_quotas", "failures", "refusals")

    def __init__(
        self, database: Database, quotas: Mapping[Policy, int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._quotas, self._clock = database, quotas, clock
        self._held: dict[tuple[Policy, Subject], Standing] = {}
        self._failed_until = -math.inf
        self.failures = 0
        self.refusals = dict.fromkeys(Policy, 0)

    def spend(self, policy: Policy, subject: Subject) -> Standing | None:
        """Spend a permit that this process holds, in about a microsecond; None where it has to ask for one."""
        standing = self._held.get((policy, subject))
        return None if standing is None else self._take(standing, subject)

    def _take(self, standing: Standing, subject: Subject) -> Standing | None:
        if not standing.free:
            return None
        now = self._clock()
        if now >= standing.until:
            return None
        standing.free -= 1
        standing.spent += 1
        standing.spent_at = now
        if standing.free <= standing.low and standing.renewal is None:
            self._renew(standing, subject)
        return standing

    async def ask(self, policy: Policy, subject: Subject) -> Standing | None:
        """Spend a permit of the common count, after `spend` had none.

        None where nobody can count and the policy fails open. Raises RateLimitedError, and OverloadedError where nobody
        can count and the policy fails closed.
        """
        standing = self._held.get((policy, subject)) or self._begin(policy, subject)
        while (spent := self._take(standing, subject)) is None:
            now = self._clock()
            if now < standing.refused_until:
                self._refuse(standing, now)
            if now < self._failed_until:
                return self._uncounted(policy)
            renewal = standing.renewal or self._renew(standing, subject)
            if not await asyncio.shield(renewal):
                return self._uncounted(policy)
        return spent

    def known(self, policy: Policy, subject: Subject) -> Standing | None:
        """Return a count as it stands here, without spending anything."""
        return self._held.get((policy, subject))

    async def stop(self) -> None:
        """End the renewals that are under way."""
        running = [standing.renewal for standing in self._held.values() if standing.renewal is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _begin(self, policy: Policy, subject: Subject) -> Standing:
        if len(self._held) >= MOST_HELD:
            # Rather one that has nothing more to spend; what another one held counts as spent when its lease ends.
            now, oldest = self._clock(), next(iter(self._held))
            looked_at = islice(self._held.items(), _LOOKED_AT)
            del self._held[next((key for key, held in looked_at if held.until <= now), oldest)]
        standing = self._held[policy, subject] = Standing(policy, self._quotas[policy])
        return standing

    def _refuse(self, standing: Standing, now: float) -> NoReturn:
        self.refusals[standing.policy] += 1
        seconds = max(1, math.ceil(standing.refused_until - now))
        raise RateLimitedError("More requests came than this client may send.", retry_after=seconds)

    def _uncounted(self, policy: Policy) -> None:
        if policy in FAILS_CLOSED:
            raise OverloadedError("Baton cannot reach its database just now.", retry_after=2)

    def _renew(self, standing: Standing, subject: Subject) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(self._renewed(standing, subject))
        standing.renewal = task
        return task

    async def _renewed(self, standing: Standing, subject: Subject) -> bool:
        """Account for what was spent and take more; return whether the database could be asked."""
        sent_at, spent = self._clock(), standing.spent
        account = Account(standing.lease, spent, max(sent_at - standing.spent_at, 0.0) if spent else 0.0)
        try:
            granted = await permits.lease(
                self._database, standing.policy, subject, account, self._quotas[standing.policy]
            )
        except Exception as error:  # noqa: BLE001  # what it costs to count must not decide what passes
            self._fail(standing, error)
            return False
        finally:
            standing.renewal = None
        standing.spent -= spent
        standing.free = max(granted.held - standing.spent, 0)
        # A small quota is never leased ahead of need: another process may need the permit sooner.
        standing.low = granted.held // _RENEW_AT if granted.held >= _RENEW_AT else _NEVER
        standing.quota, standing.rest = granted.quota, granted.rest
        standing.until = sent_at + LIFE_S - _MARGIN_S
        if not granted.held:
            standing.refused_until = self._clock() + max(granted.wait_s, _REFUSE_S)
        return True

    def _fail(self, standing: Standing, error: BaseException) -> None:
        """Forget what this process held: whether the account arrived is not known, so the database counts it spent."""
        standing.free = standing.spent = 0
        standing.lease = randbits(63)
        if self._clock() >= self._failed_until:
            _log.warning("rate limits cannot be counted: %s", type(error).__qualname__)
        self.failures += 1
        self._failed_until = self._clock() + _RETRY_S
