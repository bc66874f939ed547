"""What every request passes before and after its endpoint, in the order of the HTTP contract.

A router needs `BatonRoute`, a declaration (`opens` or `public`) on each endpoint and the dependencies below. Never
holds a business rule and never writes a statement of its own.
"""

from app.routers.edge.access import (
    BodyStream,
    Caller,
    CallerAddress,
    CurrentExchange,
    IfMatch,
    RawBody,
    Store,
    Tx,
)
from app.routers.edge.declaration import BodyKind, Deprecation, UndeclaredRouteError, opens, public
from app.routers.edge.gate import Gate
from app.routers.edge.giving import given
from app.routers.edge.install import install
from app.routers.edge.openapi import document
from app.routers.edge.responses import JSONBytes
from app.routers.edge.route import BatonRoute
from app.routers.edge.routing import include
from app.routers.edge.services import Services

__all__ = [
    "BatonRoute",
    "BodyKind",
    "BodyStream",
    "Caller",
    "CallerAddress",
    "CurrentExchange",
    "Deprecation",
    "Gate",
    "IfMatch",
    "JSONBytes",
    "RawBody",
    "Services",
    "Store",
    "Tx",
    "UndeclaredRouteError",
    "document",
    "given",
    "include",
    "install",
    "opens",
    "public",
]
