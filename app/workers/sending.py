"""What is sent for one leased delivery, and what its reply means for it and its lane. Sends nothing itself."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic_core import from_json, to_json

from app.db.lanes import TEST_TYPE
from app.db.leases import Attempt, Job, LaneKey
from app.delivery.reply import Reply
from app.delivery.signatures import sign
from app.domain.retry import Profile, Verdict, classify, next_delay
from app.domain.signing import read_secret
from app.security.keyring import MasterKeys

THROTTLE_S: Final = 10.0
"""How long a lane rests after 429, 502, 503 or 504 that name no time."""
_KEPT_OF_SUCCESS: Final = 1024  # bytes of a good reply that are kept; of a bad one, all that was read
Disabling = Literal["gone", "failing"]


@dataclass(frozen=True, slots=True)
class Message:
    """One signed request."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Decision:
    """An attempt of one lane to be recorded, and why its endpoint is to be disabled, if it is."""

    lane: LaneKey
    attempt: Attempt
    disabling: Disabling | None = None


def message(job: Job, keys: MasterKeys, now: int) -> Message:
    """Return the request for `job`, signed for `now` (Unix seconds). Raises where its secret cannot be opened."""
    body = job.body.encode()
    url, signatures = _endpoint(job, keys, now, body) if job.url is not None else _destination(job, keys, now, body)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": job.message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signatures,
        "webhook-attempt": str(job.made),
    }
    return Message(url, headers, body)


def _endpoint(job: Job, keys: MasterKeys, now: int, body: bytes) -> tuple[str, str]:
    def opened(sealed: bytes, column: str) -> bytes:
        return keys.open(sealed, tenant=job.tenant_id, table="endpoint", column=column, row=job.lane_id)

    secrets = [opened(job.secret or b"", "secret")]
    if job.previous_secret is not None:
        secrets.append(opened(job.previous_secret, "previous_secret"))
    return job.url or "", sign(job.signature or "v1", secrets, job.message_id, now, body)


def _destination(job: Job, keys: MasterKeys, now: int, body: bytes) -> tuple[str, str]:
    sealed = job.config or b""
    config = from_json(keys.open(sealed, tenant=job.tenant_id, table="destination", column="config", row=job.lane_id))
    return config["url"], sign("v1", [read_secret(config["secret"])], job.message_id, now, body)


def decide(job: Job, reply: Reply, started_at: datetime) -> Decision:
    """Return what follows from `reply`."""
    profile = Profile(job.profile)
    if reply.directive == "disable":
        verdict = Verdict.GONE
    elif reply.directive == "abort-message" and not reply.ok:
        verdict = Verdict.PERMANENT
    else:
        verdict = classify(profile, reply.status, reply.error)
    state, delay_s, health = _following(job, profile, verdict, reply.retry_after)
    pause_s = 0.0
    if verdict is Verdict.THROTTLE and profile is Profile.FEED:
        pause_s = THROTTLE_S if reply.retry_after is None else max(reply.retry_after, 1.0)
    head = reply.response_head[:_KEPT_OF_SUCCESS] if verdict is Verdict.DELIVERED else reply.response_head
    spent = reply.timings
    timings: dict[str, object] = {
        "dns": spent.dns,
        "connect": spent.connect,
        "tls": spent.tls,
        "ttfb": spent.ttfb,
        "total": spent.total,
    }
    timings |= {"reused": reply.reused, "cut": reply.response_cut, "location": reply.location}
    attempt = Attempt(
        tenant_id=job.tenant_id,
        id=job.id,
        lease_token=job.lease_token,
        state=state,
        delay_s=delay_s,
        health=health,
        pause_s=pause_s,
        started_at=started_at,
        status=reply.status,
        error=reply.error,
        duration_ms=round(spent.total),
        remote_ip=reply.remote_ip,
        response_head=head,
        timings=to_json(timings).decode(),
    )
    return Decision(
        (job.tenant_id, job.lane_id), attempt, "gone" if verdict is Verdict.GONE and job.url is not None else None
    )


def _following(job: Job, profile: Profile, verdict: Verdict, retry_after: float | None) -> tuple[str, float, int]:
    """Return the delivery's next state, its wait in seconds, and what the attempt says of the lane's health."""
    if verdict is Verdict.DELIVERED:
        return "delivered", 0.0, 1
    if verdict is Verdict.PERMANENT:
        return "failed", 0.0, 0
    if verdict is Verdict.GONE:
        # What a disabled endpoint refused waits with the rest; a test is never parked and would go round for ever.
        return ("failed" if job.type == TEST_TYPE or job.url is None else "pending"), 0.0, 0
    delay = next_delay(profile, job.made, random.random(), retry_after)  # noqa: S311 - spreads retries
    if delay is None:
        return "failed", 0.0, -1
    return "pending", delay.total_seconds(), -1


def unsent(job: Job, error: str, started_at: datetime) -> Decision:
    """Return what follows where no request could be made: `error` is recorded and the schedule goes on."""
    state, delay_s, health = _following(job, Profile(job.profile), Verdict.RETRY, None)
    took = datetime.now(UTC) - started_at
    return Decision(
        (job.tenant_id, job.lane_id),
        Attempt(
            tenant_id=job.tenant_id,
            id=job.id,
            lease_token=job.lease_token,
            state=state,
            delay_s=delay_s,
            health=health,
            pause_s=0.0,
            started_at=started_at,
            status=None,
            error=error,
            duration_ms=round(took.total_seconds() * 1000),
            remote_ip=None,
            response_head=None,
            timings="null",
        ),
    )
