"""What use cases need besides the database: made once by the composition root, immutable, shared by all requests."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from app.security.cursors import CursorSealer
from app.security.keyring import MasterKeys


@dataclass(frozen=True, slots=True)
class Kit:
    """Keys that seal, cursors, the networks that egress may reach although private, and the public address."""

    master_keys: MasterKeys
    cursors: CursorSealer
    egress_allow: tuple[IPv4Network | IPv6Network, ...]
    public_url: str
