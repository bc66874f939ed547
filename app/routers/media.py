"""Which of the forms that an endpoint can answer in a caller wants (RFC 9110 section 12.5.1)."""

from collections.abc import Sequence


def preferred(accept: str, forms: Sequence[str]) -> str:
    """Return the form that the caller ranks first; the first one where it does not say."""
    ranked = {kind: _weight(accept, kind) for kind in forms}
    return max(forms, key=lambda kind: ranked[kind])


def _weight(accept: str, kind: str) -> float:
    for item in accept.lower().split(","):
        media_range, *parameters = (part.strip() for part in item.split(";"))
        if media_range == kind:
            weights = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
            return float(weights[0]) if weights and weights[0].replace(".", "", 1).isdecimal() else 1.0
    return 0.0
