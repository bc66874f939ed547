"""What the operator reads while `baton up` runs: one line per fact, on standard error."""

import sys
from contextlib import suppress


def say(text: str) -> None:
    """Print one line, at once, so that it stands in order with the children's own lines."""
    with suppress(OSError):  # nobody reads any more; that must not end the parent
        sys.stderr.write(f"baton: {text}\n")
        sys.stderr.flush()
