"""The authorization server: client-credentials tokens, their revocation and introspection, keys and metadata."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.db.session import Identity, Login, Transaction
from app.domain.access import Scope
from app.domain.errors import BatonError
from app.domain.limits import Policy
from app.routers.edge import BodyKind, CallerAddress, JSONBytes, Store, public
from app.routers.oauth_claim import claimed_client
from app.routers.oauth_wire import MAX_FORM, METHODS, NO_CACHE, Form, GivenProof, OAuthRoute
from app.schemas.identity import IntrospectionOut, KeySetOut, MetadataOut, OAuthErrorOut, TokenOut
from app.security.signing_keys import ALGORITHM
from app.security.tokens import Claims
from app.services import tokens
from app.services.issuer import Issuer
from app.services.tokens import Refusal, TokenRefusedError

router = APIRouter(route_class=OAuthRoute, tags=["oauth"])

_FORM: Final = ("application/x-www-form-urlencoded",)
_ENDPOINTS: Final = ("token", "revocation", "introspection")
_CACHED: Final = {"Cache-Control": "public, max-age=300"}
_OWN_PROOF: Final = "the client proves who it is in the request itself"
_PUBLISHED: Final = "published for everybody who verifies tokens"
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": OAuthErrorOut, "description": "RFC 6749, section 5.2"},
    401: {"model": OAuthErrorOut, "description": "The client could not be authenticated"},
    413: {"model": OAuthErrorOut, "description": "The form is too large"},
}


def _form(required: tuple[str, ...], *optional: str) -> dict[str, Any]:
    names = (*required, *optional, "client_id", "client_secret", "client_assertion", "client_assertion_type")
    fields = {name: {"type": "string"} for name in names}
    schema = {"type": "object", "required": list(required), "properties": fields}
    return {"requestBody": {"required": True, "content": {_FORM[0]: {"schema": schema}}}}


async def current_issuer(request: Request) -> Issuer:
    """Return the issuer of this process, with keys and revocations less than 25 s old."""
    issuer: Issuer = request.app.state.issuer
    await issuer.fresh()
    return issuer


async def auth_transaction(store: Store) -> AsyncIterator[Transaction]:
    """Run the endpoint in one transaction of the login that sees clients and keys, and nothing else."""
    async with store.begin(Identity(Login.AUTH)) as tx:
        yield tx


CurrentIssuer = Annotated[Issuer, Depends(current_issuer)]
# Committed before the answer is sent: what was revoked stays so.
AuthTx = Annotated[Transaction, Depends(auth_transaction, scope="function")]


async def read_known(_: CurrentIssuer, tx: AuthTx, proof: GivenProof, address: CallerAddress) -> tokens.Known:
    """Return the client that the request proves to come from."""
    # The issuer comes first: it may need a connection of the same pool, of which this then holds none yet.
    return await tokens.authenticate(tx, proof, address)


Known = Annotated[tokens.Known, Depends(read_known)]


async def read_grant_type(form: Form) -> str:
    """Refuse any grant but the one there is."""
    given = form.get("grant_type")
    if given is None:
        raise TokenRefusedError(Refusal.INVALID_REQUEST, "grant_type is missing.")
    if given != "client_credentials":
        raise TokenRefusedError(Refusal.UNSUPPORTED_GRANT_TYPE, "The one grant is client_credentials.")
    return given


async def read_token(form: Form, issuer: CurrentIssuer, _: Known) -> Claims | None:
    """Return what the form's token says, or None where it does not hold."""
    if "token" not in form:
        raise TokenRefusedError(Refusal.INVALID_REQUEST, "token is missing.")
    try:
        return issuer.verifier.verify(form["token"])
    except BatonError:
        return None


GivenToken = Annotated[Claims | None, Depends(read_token)]


@router.post(
    "/oauth/token",
    operation_id="issue_token",
    summary="Get an access token",
    response_model=TokenOut,
    responses=_REFUSALS,
    openapi_extra=_form(("grant_type",), "scope"),
    dependencies=[Depends(read_grant_type)],
)
@public(_OWN_PROOF, body=BodyKind.RAW, max_body=MAX_FORM, takes=_FORM, policy=Policy.TOKEN, claimed=claimed_client)
async def issue_token(form: Form, known: Known, issuer: CurrentIssuer) -> JSONBytes:
    """Issue an access token of 10 minutes for one client, for all of its scopes or those of `scope`."""
    granted = tokens.grant(known, form.get("scope"), issuer.sign)
    body = {
        "access_token": granted.access_token,
        "token_type": "Bearer",
        "expires_in": granted.expires_in,
        "scope": " ".join(sorted(granted.scopes)),
    }
    return JSONBytes(body, headers=NO_CACHE)


@router.post(
    "/oauth/revoke",
    operation_id="revoke_token",
    summary="Revoke a token",
    response_class=Response,
    responses=_REFUSALS,
    openapi_extra=_form(("token",), "token_type_hint"),
)
@public(_OWN_PROOF, body=BodyKind.RAW, max_body=MAX_FORM, takes=_FORM, policy=Policy.TOKEN)
async def revoke_token(tx: AuthTx, known: Known, claims: GivenToken, issuer: CurrentIssuer) -> Response:
    """Revoke one of the client's own tokens, everywhere within 30 s. Answers 200 for any other text, too (RFC 7009)."""
    if claims is not None and await tokens.revoke(tx, known, claims):
        issuer.forget(claims)
    return Response(headers=NO_CACHE)


@router.post(
    "/oauth/introspect",
    operation_id="introspect_token",
    summary="Ask about a token",
    response_model=IntrospectionOut,
    responses=_REFUSALS,
    openapi_extra=_form(("token",), "token_type_hint"),
)
@public(_OWN_PROOF, body=BodyKind.RAW, max_body=MAX_FORM, takes=_FORM, policy=Policy.TOKEN)
async def introspect_token(known: Known, claims: GivenToken) -> JSONBytes:
    """Tell whether a token of the client's own organisation holds, and what it says (RFC 7662)."""
    return JSONBytes(tokens.introspect(known, claims, now=time.time()) if claims else {"active": False})


@router.get(
    "/.well-known/jwks.json", operation_id="get_key_set", summary="Read the public keys", response_model=KeySetOut
)
@public(_PUBLISHED)
async def show_keys(issuer: CurrentIssuer) -> JSONBytes:
    """Return the public keys of access tokens (RFC 7517): of the last period, of this one and of the next."""
    return JSONBytes(issuer.key_set(), headers=_CACHED)


@router.get(
    "/.well-known/oauth-authorization-server",
    operation_id="get_authorization_server",
    summary="Read what the authorization server can do",
    response_model=MetadataOut,
)
@public(_PUBLISHED)
async def show_metadata(request: Request) -> JSONBytes:
    """Describe the authorization server (RFC 8414)."""
    return JSONBytes(_metadata(request.app.state.issuer.url), headers=_CACHED)


def _metadata(url: str) -> dict[str, object]:
    return {
        "issuer": url,
        "token_endpoint": f"{url}/oauth/token",
        "revocation_endpoint": f"{url}/oauth/revoke",
        "introspection_endpoint": f"{url}/oauth/introspect",
        "jwks_uri": f"{url}/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": [scope.value for scope in Scope],
        **{f"{name}_endpoint_auth_methods_supported": list(METHODS) for name in _ENDPOINTS},
        **{f"{name}_endpoint_auth_signing_alg_values_supported": [ALGORITHM] for name in _ENDPOINTS},
    }
