"""Answers that are rendered once, to bytes, and not validated a second time."""

from collections.abc import Mapping

from pydantic_core import to_json
from starlette.responses import Response


class JSONBytes(Response):
    """JSON from plain dicts, lists, dates, UUIDs and models; bytes are taken as they are.

    Declare `response_model` on the route for the document; FastAPI neither validates nor serialises this answer.
    """

    media_type = "application/json; charset=utf-8"

    def __init__(self, content: object, status_code: int = 200, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: object) -> bytes:
        """Return the bytes of `content`."""
        return content if isinstance(content, bytes) else to_json(content, inf_nan_mode="null")
