"""The wire contracts of identity: tokens, partners, clients, secrets, and what a caller learns about itself."""

from ipaddress import IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from app.domain.access import LIVE_KEYS, MAX_NETWORKS, ROLES_OF, Role, Scope
from app.domain.actor import Side
from app.domain.limits import MOST_PER_MINUTE
from app.schemas.base import In, Line, Moment, Out

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""A short name that stays: lower case letters, digits and hyphens."""
Status = Literal["active", "suspended"]
Roles = Annotated[set[Role], Field(min_length=1, max_length=len(Role))]
Scopes = Annotated[set[Scope], Field(min_length=1, max_length=len(Scope))]


class TokenOut(Out):
    """An access token (RFC 6749, section 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.", examples=[600])
    scope: str = Field(examples=["leads:read leads:write"])


class OAuthErrorOut(Out):
    """A refusal (RFC 6749, section 5.2)."""

    error: Literal[
        "invalid_request", "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"
    ]
    error_description: str


class IntrospectionOut(Out):
    """What a token says (RFC 7662); `active` alone where it does not hold or is not the caller's to see."""

    active: bool
    token_type: Literal["Bearer"] | None = None
    client_id: str | None = None
    sub: str | None = None
    scope: str | None = None
    iat: int | None = None
    exp: int | None = None
    jti: str | None = None
    tid: str | None = None
    org: str | None = None
    roles: list[Role] | None = None


class MetadataOut(Out):
    """What this authorization server can do (RFC 8414)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: list[Scope]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]
    token_endpoint_auth_signing_alg_values_supported: list[str]
    revocation_endpoint_auth_signing_alg_values_supported: list[str]
    introspection_endpoint_auth_signing_alg_values_supported: list[str]


class KeyOut(Out):
    """A public key (RFC 7517)."""

    kty: str
    crv: str
    x: str
    y: str
    kid: str
    use: str
    alg: str


class KeySetOut(Out):
    """The keys that tokens are verified with: those of the last period, of this one and of the next."""

    keys: list[KeyOut]


PerMinute = Annotated[int, Field(ge=1, le=MOST_PER_MINUTE, examples=[12000])]


class LimitsPatch(In):
    """Requests a minute: as many at once, then evenly. Null goes back to what holds without a figure of its own."""

    default: PerMinute | None = Field(default=None, description="To read.")
    write: PerMinute | None = Field(default=None, description="All that is no GET.")
    bulk: PerMinute | None = Field(default=None, description="Imports.")
    token: PerMinute | None = Field(default=None, description="Access tokens.")


class LimitsOut(Out):
    """Requests a minute; null where the partner's figure holds, or that of the installation (`RateLimit-Policy`)."""

    default: int | None
    write: int | None
    bulk: int | None
    token: int | None


class PartnerIn(In):
    """A vendor."""

    key: Key = Field(examples=["vendor-a"])
    name: Line


class PartnerPatch(In):
    """What may change of a vendor. Suspending it ends its tokens within 30 seconds.

    `limits` hold for each of its clients that has no figure of its own, from its next lease of 30 seconds on.
    """

    name: Line = Field(default_factory=str)
    status: Status = Field(default_factory=lambda: "active")
    limits: LimitsPatch = Field(default_factory=LimitsPatch)


class PartnerOut(Out):
    """A vendor."""

    id: str = Field(examples=["org_mfrggzdfmztwq2lknnwg23tpob"])
    key: str
    name: str
    status: Status
    limits: LimitsOut
    created_at: Moment
    updated_at: Moment


class PartnersOut(Out):
    """A page of vendors."""

    items: list[PartnerOut]
    next_cursor: str | None


def _network(text: str) -> str:
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError("an IPv4 network is written as such")
    return str(network)


Networks = Annotated[
    list[Annotated[str, StringConstraints(max_length=50), AfterValidator(_network)]],
    Field(
        max_length=MAX_NETWORKS,
        description="Where the client may come from, in CIDR notation; from anywhere where there are none.",
        examples=[["203.0.113.0/24", "2001:db8::/48"]],
    ),
]
Coordinate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class PublicJwkIn(In):
    """The public JWK (RFC 7517) of an ES256 key; one that holds the private half is refused."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: Coordinate = Field(examples=["MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"])
    y: Coordinate = Field(examples=["4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"])
    kid: Annotated[str, StringConstraints(max_length=255)] | None = None
    use: Literal["sig"] | None = None
    alg: Literal["ES256"] | None = None


class ClientIn(In):
    """A machine client. Without `scopes` it has those of its roles, as far as the caller has them itself.

    A test client works on test leads alone. With `keys` it authenticates by `private_key_jwt` and gets no secret.
    """

    name: Line
    roles: Roles
    scopes: Scopes | None = None
    test: bool = False
    networks: Networks = Field(default_factory=list)
    keys: list[PublicJwkIn] = Field(default_factory=list[PublicJwkIn], max_length=LIVE_KEYS)


class ClientPatch(In):
    """What may change of a client. Other roles, scopes or networks, or a suspension, end its tokens within 30 s.

    `limits` are the tenant's to set; they hold within 30 seconds.
    """

    name: Line = Field(default_factory=str)
    roles: Roles = Field(default_factory=set[Role])
    scopes: Scopes = Field(default_factory=set[Scope])
    status: Status = Field(default_factory=lambda: "active")
    networks: Networks = Field(default_factory=list)
    limits: LimitsPatch = Field(default_factory=LimitsPatch)


class InvitationIn(In):
    """What the client begins with that the code will make: by default one that can do all that the partner may.

    Without `scopes` it has those of its roles, as far as the caller has them itself.
    """

    name: Line = "first client"
    roles: Roles = Field(default_factory=lambda: set(ROLES_OF[Side.PARTNER]))
    scopes: Scopes | None = None
    test: bool = False
    networks: Networks = Field(default_factory=list)
    expires_at: Moment | None = Field(None, description="At most 30 days ahead; 7 days without it.")


class RedeemIn(In):
    """The code of an invitation. With `keys` the client authenticates by `private_key_jwt` and gets no secret."""

    code: str = Field(max_length=100, examples=["bt_in_mfrggzdfmztwq2lknnwg23tpob_…"])
    keys: list[PublicJwkIn] = Field(default_factory=list[PublicJwkIn], max_length=LIVE_KEYS)


class InvitationOut(Out):
    """An invitation, without its code. What the partner's client does is the partner's affair and not told here."""

    id: str = Field(examples=["inv_mfrggzdfmztwq2lknnwg23tpob"])
    organization_id: str
    status: Literal["open", "redeemed", "withdrawn", "expired"]
    name: str
    roles: list[Role]
    scopes: list[Scope]
    test: bool
    networks: list[str]
    created_at: Moment
    expires_at: Moment
    redeemed_at: Moment | None


class InvitationsOut(Out):
    """A page of invitations."""

    items: list[InvitationOut]
    next_cursor: str | None


class NewInvitationOut(InvitationOut):
    """A new invitation. The code is shown this once; in a replay it is null."""

    code: str | None


class SecretIn(In):
    """A further secret. A client has two live ones at most: a third ends the oldest, `end_others` ends all others."""

    expires_at: Moment | None = Field(None, description="At most 365 days ahead, which is also the default.")
    end_others: bool = Field(False, description="For one that leaked: ends all its keys and tokens, too.")


class KeyIn(In):
    """A further public key. A client has two live ones at most: a third ends the oldest."""

    jwk: PublicJwkIn
    expires_at: Moment | None = Field(None, description="At most 365 days ahead, which is also the default.")
    end_others: bool = Field(False, description="For one that leaked: ends all other keys, secrets and tokens.")


class SecretOut(Out):
    """A secret, without the secret."""

    id: str = Field(examples=["sec_mfrggzdfmztwq2lknnwg23tpob"])
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None


class ClientKeyOut(SecretOut):
    """A registered public key; `kid` is its thumbprint (RFC 7638)."""

    id: str = Field(examples=["key_mfrggzdfmztwq2lknnwg23tpob"])
    kid: str


class NewKeyOut(ClientKeyOut):
    """A public key that has just been registered."""

    client_id: str


class ClientOut(Out):
    """A machine client with its live secrets; `last_used_at` is when it last asked for a token, to the minute."""

    client_id: str = Field(examples=["cli_mfrggzdfmztwq2lknnwg23tpob"])
    organization_id: str
    name: str
    roles: list[Role]
    scopes: list[Scope]
    test: bool
    status: Status
    networks: list[str]
    limits: LimitsOut
    managed_by: Literal["internal", "partner"] = Field(
        description="A client that its partner made or changed is the partner's own: the tenant does not see it."
    )
    secrets: list[SecretOut]
    keys: list[ClientKeyOut]
    created_at: Moment
    last_used_at: Moment | None


class ClientsOut(Out):
    """A page of clients."""

    items: list[ClientOut]
    next_cursor: str | None


class NewClientOut(ClientOut):
    """A new client. The secret is shown this once; it is null in a replay, and for a client that began with keys."""

    client_secret: str | None


class NewSecretOut(SecretOut):
    """A new secret, shown this once; in a replay it is null."""

    client_id: str
    client_secret: str | None


class OrganizationOut(Out):
    """The caller's organisation."""

    id: str
    kind: Literal["internal", "partner"]
    name: str


class OpenedOut(Out):
    """A scope and what it opens."""

    scope: Scope
    opens: str


class MeOut(Out):
    """Who the caller is and what its token opens."""

    organization: OrganizationOut
    client_id: str
    roles: list[Role]
    scopes: list[OpenedOut]
    programs: list[str]
    mode: Literal["test", "live"]
