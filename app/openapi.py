"""Prints the OpenAPI document of the API: what `openapi/openapi.json` holds and callers generate from."""

import json

from pydantic import SecretStr

from app.main import create_app
from app.security.keyring import make_master_key
from app.settings import Settings


def document_text() -> str:
    """Return the document as committed: sorted keys, two spaces, a newline at its end; no setting changes it."""
    settings = Settings.model_construct(  # reads no environment
        database_url=SecretStr("postgresql:///none"),
        master_key=SecretStr(make_master_key()),
        issuer="https://baton.example",
    )
    return json.dumps(create_app(settings).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
