"""Refuses query strings that FastAPI would read by guessing: unknown names, repeated names, NUL."""

import re
from urllib.parse import parse_qsl

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from app.domain.errors import ValidationFailedError

MAX_PARAMETERS = 100

# A misspelt parameter is worth naming; what is not spelt like one may be anything, and is not repeated.
_PLAIN_NAME = re.compile(r"[a-z][a-z_]{0,63}")


def flat(dependant: Dependant) -> list[Dependant]:
    """Return an endpoint and all that it depends on."""
    return [dependant, *(inner for part in dependant.dependencies for inner in flat(part))]


def known_names(dependant: Dependant) -> frozenset[str]:
    """Return every query parameter that the endpoint and its dependencies read."""
    names: set[str] = set()
    for parameter in (field for part in flat(dependant) for field in part.query_params):
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            names.update(field.alias or name for name, field in model.model_fields.items())
        else:
            names.add(parameter.alias)
    return frozenset(names)


def refuse_unreadable(query_string: bytes, known: frozenset[str]) -> None:
    """Raise ValidationFailedError unless each parameter is known and stands once."""
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise ValidationFailedError(f"The query has more than {MAX_PARAMETERS} parameters.") from None
    errors: list[dict[str, str]] = []
    seen: set[str] = set()
    for name, value in pairs:
        if name not in known:
            errors.append(_error(name, "unknown_field", "There is no such parameter."))
        elif name in seen:
            errors.append(_error(name, "repeated", "A parameter stands once."))
        elif "\0" in value:
            errors.append(_error(name, "format", "A value holds no NUL character."))
        seen.add(name)
    if errors:
        raise ValidationFailedError("Some query parameters are not valid.", errors=errors)


def _error(name: str, code: str, message: str) -> dict[str, str]:
    pointer = f"/{name}" if _PLAIN_NAME.fullmatch(name) else ""
    return {"in": "query", "pointer": pointer, "code": code, "message": message}
