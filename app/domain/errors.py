"""Every refusal a caller can meet, by the slug of contract 7. No class knows an HTTP status.

`detail` is a sentence for the caller: it never carries SQL, another party's ids or the caller's input.
`members` are the further fields of the problem document, such as `errors`, `missing` or `playbook`.
"""

from typing import ClassVar


class BatonError(Exception):
    """A refusal with a stable slug. The refused request changes nothing."""

    slug: ClassVar[str]

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class MalformedBodyError(BatonError):
    """The body is not strict JSON: NUL, NaN, a duplicate key, a lone surrogate, too deep."""

    slug = "malformed-body"


class InvalidRequestError(BatonError):
    """The request is ill-formed outside its body: two credentials, a token in the query, a bad header."""

    slug = "invalid-request"


class InvalidCursorError(BatonError):
    """A cursor that was changed, is too old, or belongs to another caller or filter."""

    slug = "invalid-cursor"


class UnauthenticatedError(BatonError):
    """No credentials, or none that hold."""

    slug = "unauthenticated"


class InsufficientScopeError(BatonError):
    """The token lacks the scope that opens this endpoint."""

    slug = "insufficient-scope"


class NotPermittedError(BatonError):
    """The playbook or the caller's role does not allow this."""

    slug = "not-permitted"


class NotOwnerError(BatonError):
    """Only the accountable owner may do this."""

    slug = "not-owner"


class PartnerSuspendedError(BatonError):
    """The organisation is suspended."""

    slug = "partner-suspended"


class NotFoundError(BatonError):
    """Nothing of that name that the caller may see."""

    slug = "not-found"


class ConflictError(BatonError):
    """The state of the object does not allow this; subclasses say which conflict."""

    slug = "conflict"


class ExternalIdInUseError(ConflictError):
    """The caller's external id already names another body."""

    slug = "external-id-in-use"


class IdempotencyInFlightError(ConflictError):
    """A request with the same Idempotency-Key is still running."""

    slug = "idempotency-key-in-flight"


class LeadNotOpenError(ConflictError):
    """The lead is not open: still received, not accepted, or closed."""

    slug = "lead-not-open"


class HandoverPendingError(ConflictError):
    """The lead already has a pending handover."""

    slug = "handover-pending"


class HandoverNotPendingError(ConflictError):
    """The handover has been decided, or is not at the step that this answer needs."""

    slug = "handover-not-pending"


class ConsultationNotOpenError(ConflictError):
    """The consultation has been answered, declined or withdrawn."""

    slug = "consultation-not-open"


class OutcomeExistsError(ConflictError):
    """The lead already has a final outcome."""

    slug = "outcome-exists"


class ObligationOpenError(ConflictError):
    """What is owed has not been done yet."""

    slug = "obligation-open"


class PlaybookNotAgreedError(ConflictError):
    """No playbook version that all sides agreed to is in force."""

    slug = "playbook-not-agreed"


class StaleVersionError(BatonError):
    """If-Match names an older version."""

    slug = "stale-version"


class PreconditionRequiredError(BatonError):
    """PATCH and DELETE need If-Match."""

    slug = "precondition-required"


class PayloadTooLargeError(BatonError):
    """The body is over the limit of its route."""

    slug = "payload-too-large"


class UnsupportedMediaTypeError(BatonError):
    """The content type or encoding of the body is not taken here."""

    slug = "unsupported-media-type"


class ValidationFailedError(BatonError):
    """The body is JSON, its fields are not valid; `errors` lists pointers and codes."""

    slug = "validation-failed"


class IdempotencyKeyReusedError(BatonError):
    """The Idempotency-Key was used for another request."""

    slug = "idempotency-key-reused"


class StageRefusedError(BatonError):
    """The playbook does not let the lead leave or enter that stage yet; `missing` says why."""

    slug = "stage-refused"


class HandoverIncompleteError(BatonError):
    """What the receiver must know is missing; `missing` lists it."""

    slug = "handover-incomplete"


class ReasonNotAllowedError(BatonError):
    """The playbook does not list this reason here."""

    slug = "reason-not-allowed"


class PlaybookInvalidError(BatonError):
    """The playbook breaks a rule of the language; `errors` lists path, rule and message."""

    slug = "playbook-invalid"


class UrlRefusedError(BatonError):
    """Baton does not send to that address."""

    slug = "url-refused"


class RateLimitedError(BatonError):
    """Too many requests; `retry_after` seconds."""

    slug = "rate-limited"


class OverloadedError(BatonError):
    """The service cannot take this request now; `retry_after` seconds."""

    slug = "overloaded"
