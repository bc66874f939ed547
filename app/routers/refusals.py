"""The refusals that only HTTP knows, with the headers that the standards want beside them."""

from collections.abc import Mapping

from app.domain.errors import BatonError


class HttpRefusalError(BatonError):
    """A refusal of the edge; `headers` go into the answer, never into its body."""

    def __init__(self, detail: str, *, headers: Mapping[str, str] | None = None, **members: object) -> None:
        super().__init__(detail, **members)
        self.headers = dict(headers or {})


class NoCredentialsError(HttpRefusalError):
    """A route that needs a token got none: the challenge carries no error code (RFC 6750, 3.1)."""

    slug = "unauthenticated"


class MisplacedCredentialError(HttpRefusalError):
    """Two credentials, or a token in the query string."""

    slug = "invalid-request"


class MediaTypeRefusedError(HttpRefusalError):
    """The body's media type, charset or encoding is not taken here."""

    slug = "unsupported-media-type"


class NotAcceptableError(HttpRefusalError):
    """The caller accepts no media type that the route produces."""

    slug = "not-acceptable"


class MethodNotAllowedError(HttpRefusalError):
    """The path exists, the method does not."""

    slug = "method-not-allowed"


class SlowBodyError(HttpRefusalError):
    """The body takes longer to arrive than anyone waits for it."""

    slug = "request-timeout"


class UriTooLongError(HttpRefusalError):
    """Path and query are longer than any that Baton hands out."""

    slug = "uri-too-long"


class HeadersTooLargeError(HttpRefusalError):
    """The header section is too large."""

    slug = "headers-too-large"


class InternalError(HttpRefusalError):
    """Something unforeseen; the log has it under the request id."""

    slug = "internal"
