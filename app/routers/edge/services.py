"""What the composition root hands to the edge."""

from dataclasses import dataclass

from app.db.session import Database
from app.security.tokens import Verifier


@dataclass(frozen=True, slots=True)
class Services:
    """The verifier of access tokens and the pools that transactions are opened on."""

    verifier: Verifier
    database: Database
