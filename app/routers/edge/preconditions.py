"""If-Match, If-None-Match and Accept: what the caller presupposes before any work is done."""

import re
from functools import lru_cache

from starlette.responses import Response

from app.domain.errors import PreconditionRequiredError, StaleVersionError
from app.routers.edge.exchange import Exchange
from app.routers.refusals import NotAcceptableError

GUARDED_METHODS = frozenset({"PATCH", "DELETE"})

_STRONG_TAG = re.compile(r'"([\x21\x23-\x7e]{1,128})"')


def strong_tag(exchange: Exchange) -> str:
    """Return the one strong tag of If-Match without its quotes.

    Missing is 428. A weak tag, a list or `*` is 412 as a stale one is: none of them names the version that was read.
    """
    value = exchange.headers.get(b"if-match")
    if value is None:
        raise PreconditionRequiredError("Send the ETag that you read in If-Match.")
    match = _STRONG_TAG.fullmatch(value.decode("latin-1").strip())
    if match is None or b"if-match" in exchange.repeated:
        raise StaleVersionError("If-Match does not hold one strong entity tag.")
    return match[1]


def refuse_unacceptable(exchange: Exchange, produces: tuple[str, ...]) -> None:
    """Refuse a caller that accepts none of the media types that the route `produces`."""
    accept = exchange.headers.get(b"accept")
    if accept is not None and accept != b"*/*" and not _accepts(accept, produces):
        raise NotAcceptableError("No media type that you accept is produced here.", produces=list(produces))


@lru_cache(maxsize=64)
def _accepts(accept: bytes, produces: tuple[str, ...]) -> bool:
    weights: dict[str, float] = {}
    for item in accept.decode("latin-1").lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        weights[media_range] = _weight(parameters)
    for media_type in produces:
        kind = media_type.partition("/")[0]
        for media_range in (media_type, f"{kind}/*", "*/*"):  # the most specific range decides
            if media_range in weights:
                if weights[media_range] > 0:
                    return True
                break
    return not any(weights)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def unchanged(exchange: Exchange, response: Response) -> Response:
    """Return 304 where the caller already has the entity tag of a GET's answer, else the answer itself."""
    tag = response.headers.get("etag")
    if tag is None or response.status_code != 200:
        return response
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.headers.setdefault("Vary", "Authorization")
    known = exchange.headers.get(b"if-none-match")
    if known is None:
        return response
    candidates = [item.strip().removeprefix("W/") for item in known.decode("latin-1").split(",")]
    if tag.removeprefix("W/") not in candidates and candidates != ["*"]:
        return response
    kept = {name: response.headers[name] for name in ("ETag", "Cache-Control", "Vary") if name in response.headers}
    return Response(status_code=304, headers=kept)
