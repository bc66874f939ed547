"""Log lines as JSON (one object a line, control characters escaped) or as text. Never holds a request's values."""

import json
import logging
import sys
import time
from typing import Literal

_EXTRA = ("request_id",)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: held for name in _EXTRA if (held := getattr(record, name, None)) is not None}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said)


def configure(form: Literal["json", "text"]) -> None:
    """Send every log line to standard error in one form."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(_Json() if form == "json" else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
