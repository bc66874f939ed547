"""What the operator reads while `baton up` runs: one line per fact, on standard error."""

import sys


def say(text: str) -> None:
    """Print one line, at once, so that it stands in order with the children's own lines."""
    sys.stderr.write(f"baton: {text}\n")
    sys.stderr.flush()
