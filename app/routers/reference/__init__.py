"""The OpenAPI document as callers read it: what FastAPI and the edge say of the routes, completed.

Adds examples, the headers of answers, scopes in words, tags and the webhooks. Never changes what a route does.
"""

from app.routers.reference.describe import describe

__all__ = ["describe"]
