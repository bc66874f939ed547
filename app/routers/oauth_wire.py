"""The wire form of the OAuth endpoints: forms, client credentials, and errors by RFC 6749, not problem documents."""

import time
from base64 import b64decode
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from app.domain.errors import BatonError
from app.routers import problems
from app.routers.edge import BatonRoute, CurrentExchange, JSONBytes, RawBody
from app.security.tokens import client_named_by
from app.services.tokens import AssertionProof, Proof, Refusal, SecretProof, TokenRefusedError

MAX_FORM: Final = 16 * 1024  # bytes; a client assertion has 4 KiB at most
MAX_FIELDS: Final = 32
METHODS: Final = ("client_secret_basic", "client_secret_post", "private_key_jwt")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

# Section 5.2: all but a client that could not be authenticated is 400.
_STATUS: Final[Mapping[Refusal, int]] = MappingProxyType(dict.fromkeys(Refusal, 400) | {Refusal.INVALID_CLIENT: 401})
# RFC 6749 section 5.1; Cache-Control is set on every answer.
NO_CACHE: Final[Mapping[str, str]] = MappingProxyType({"Pragma": "no-cache"})


class OAuthRoute(BatonRoute):
    """A route whose refusals are errors of RFC 6749, those of the edge included. A limit stays a problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the pipeline of the edge with the refusals translated."""
        pipeline = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await pipeline(request)
            except TokenRefusedError as refusal:
                return _error(refusal.code, refusal.description, _STATUS[refusal.code])
            except BatonError as refusal:
                status = problems.KINDS[refusal.slug].status
                if status >= 500 or status in {408, 429}:  # RFC 6749 has no code for these
                    raise
                return _error(Refusal.INVALID_REQUEST, refusal.detail, 413 if status == 413 else 400)

        return answer


def _error(code: Refusal, description: str, status: int) -> Response:
    challenge = {"WWW-Authenticate": 'Basic realm="baton", charset="UTF-8"'} if status == 401 else {}
    body = {"error": code.value, "error_description": description}
    return JSONBytes(body, status, {**NO_CACHE, **challenge})


def _refused(description: str) -> TokenRefusedError:
    return TokenRefusedError(Refusal.INVALID_REQUEST, description)


async def read_form(body: RawBody) -> dict[str, str]:
    """Return the fields of a form; one without a value counts as absent, one that stands twice is refused (3.2)."""
    fields: dict[str, str] = {}
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise _refused("The body is not a form.") from None
    for name, value in pairs:
        if name in fields:
            raise _refused("A field of the form stands twice.")
        fields[name] = value
    return fields


Form = Annotated[dict[str, str], Depends(read_form)]


async def read_proof(request: Request, current: CurrentExchange, form: Form) -> Proof:
    """Return how the client says who it is: by the Authorization header or by the form, never in two ways (2.3)."""
    header = current.headers.get(b"authorization")
    if b"authorization" in current.repeated:
        raise _refused("A request carries one credential, not two.")
    proofs = [header, form.get("client_secret"), form.get("client_assertion")]
    if sum(proof is not None for proof in proofs) > 1:
        raise _refused("A client authenticates in one way, not in two.")
    if header is not None:
        client_id, secret = _basic(header)
        proof: Proof = SecretProof(client_id, secret)
    elif "client_assertion" in form or "client_assertion_type" in form:
        proof = _assertion(form, request.app.state.issuer.url)
    elif "client_id" in form and "client_secret" in form:
        proof = SecretProof(form["client_id"], form["client_secret"])
    else:
        raise TokenRefusedError(Refusal.INVALID_CLIENT, f"Authenticate by one of {', '.join(METHODS)}.")
    if form.get("client_id", proof.client_id) != proof.client_id:
        raise _refused("The form names another client than its credential.")
    return proof


GivenProof = Annotated[Proof, Depends(read_proof)]


def _assertion(form: Mapping[str, str], issuer: str) -> AssertionProof:
    """Read an assertion (RFC 7523, section 2.2); who signed it, says only the key."""
    if "client_assertion" not in form or "client_assertion_type" not in form:
        raise _refused("client_assertion and client_assertion_type go together.")
    if form["client_assertion_type"] != ASSERTION_TYPE:
        raise _refused(f"The one client_assertion_type is {ASSERTION_TYPE}.")
    assertion = form["client_assertion"]
    return AssertionProof(client_named_by(assertion) or "", assertion, issuer, time.time())


def _basic(header: bytes) -> tuple[str, str]:
    scheme, _, encoded = header.strip().partition(b" ")
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == b"basic" else ""
        client_id, colon, secret = decoded.partition(":")
        if colon:  # both parts are form-encoded before they are joined (2.3.1)
            return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except ValueError:
        pass
    raise TokenRefusedError(Refusal.INVALID_CLIENT, "The Authorization header holds no client_secret_basic.")
