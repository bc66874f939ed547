"""What a client may be given: roles and scopes of its side, by somebody who has them, and enough for a token."""

from collections.abc import Collection

from app.domain.access import OUTSIDE_SANDBOX, ROLES_OF, SCOPES_OF, Role, default_scopes
from app.domain.actor import Actor, Side
from app.domain.errors import ValidationFailedError


def scopes_given(
    by: Actor, side: Side, roles: Collection[Role], wanted: Collection[str] | None, *, test: bool
) -> frozenset[str]:
    """Return the scopes of a client to be made for an organisation of `side`.

    Where none are `wanted`, those of its roles, as far as `by` has them itself. Raises ValidationFailedError.
    """
    scopes = default_scopes(side, roles) & by.scopes if wanted is None else frozenset(wanted)
    refuse_foreign(side, roles, scopes)
    refuse_ungiven(by, scopes)
    refuse_none(scopes, test=test)
    return scopes


def refuse_foreign(side: Side, roles: Collection[str], scopes: Collection[str]) -> None:
    """Raise ValidationFailedError where a client of that side cannot hold one of them."""
    errors = [
        {"pointer": f"/{name}", "code": "enum", "message": f"A client of this organisation holds of {', '.join(held)}."}
        for name, given, held in (("roles", roles, sorted(ROLES_OF[side])), ("scopes", scopes, sorted(SCOPES_OF[side])))
        if not set(given) <= set(held)
    ]
    if errors:
        raise ValidationFailedError("Some fields are not valid.", errors=errors)


def refuse_none(scopes: Collection[str], *, test: bool) -> None:
    """Refuse a client that could not get a token: without a scope, or a test client with none of the sandbox."""
    if not (set(scopes) - OUTSIDE_SANDBOX if test else scopes):
        raise _invalid_scopes("length", "At least one scope that such a client may use.")


def refuse_ungiven(by: Actor, scopes: Collection[str]) -> None:
    """Raise ValidationFailedError where `by` lacks a scope that it would give."""
    if not set(scopes) <= by.scopes:
        raise _invalid_scopes("enum", "Nobody gives a scope that its own token lacks.")


def _invalid_scopes(code: str, message: str) -> ValidationFailedError:
    fault = {"pointer": "/scopes", "code": code, "message": message}
    return ValidationFailedError("Some fields are not valid.", errors=[fault])
