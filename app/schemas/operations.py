"""What load balancers and process managers read."""

from typing import Literal

from app.schemas.base import Out


class HealthOut(Out):
    """The state of this process."""

    status: Literal["live", "ready"]
