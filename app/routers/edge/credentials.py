"""Finds the one access token of a request, where RFC 6750 section 2.1 puts it and nowhere else."""

from app.domain.errors import UnauthenticatedError
from app.routers.edge.address import Address
from app.routers.edge.exchange import Exchange
from app.routers.refusals import MisplacedCredentialError, NoCredentialsError
from app.security.credentials import may_come_from
from app.security.tokens import Claims

_MISPLACED = {"WWW-Authenticate": 'Bearer realm="baton", error="invalid_request"'}
_ABSENT = {"WWW-Authenticate": 'Bearer realm="baton"'}


def bearer_token(exchange: Exchange) -> str:
    """Return the token, or raise the 401 or 400 that its absence or shape calls for."""
    if b"authorization" in exchange.repeated:
        raise MisplacedCredentialError("A request carries one credential, not two.", headers=_MISPLACED)
    value = exchange.headers.get(b"authorization")
    if value is None:
        raise NoCredentialsError("This needs an access token.", headers=_ABSENT)
    scheme, _, token = value.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        raise NoCredentialsError("This needs an access token.", headers=_ABSENT)
    token = token.strip(b" ")
    if not token or not token.isascii():
        raise UnauthenticatedError("The access token is not valid.")
    return token.decode("ascii")


def refuse_elsewhere(claims: Claims, address: Address | None) -> None:
    """Refuse a token where its client's networks do not hold the address, as any token that does not hold."""
    if not may_come_from(address, claims.networks):
        raise UnauthenticatedError("The access token is not valid.")


def refuse_query_token(query_string: bytes) -> None:
    """Refuse a token in the query string, where logs and histories would keep it."""
    # Percent-encoding could hide the name; then the parameter is merely unknown, and as such refused.
    if query_string.startswith(b"access_token=") or b"&access_token=" in query_string:
        raise MisplacedCredentialError("An access token never goes into the query string.", headers=_MISPLACED)
