"""Takes a document for a playbook that may take effect, or refuses it with everything that is wrong with it."""

from collections.abc import Mapping
from uuid import UUID

from app.domain.errors import PlaybookInvalidError
from app.domain.lint import lint
from app.domain.playbook import Playbook
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook

MAX_FAULTS = 50
"""Faults that a refusal lists; more of them say nothing new."""


def proven(document: Mapping[str, object], playbook_id: UUID, version: int) -> Playbook:
    """Return the playbook that passes the lint, or raise PlaybookInvalidError. Takes up to a second of computing."""
    try:
        playbook = read_playbook(document, playbook_id, version)
        faults = lint(playbook)
    except PlaybookFaultsError as error:
        faults = error.faults
    else:
        if not faults:
            return playbook
    errors = [
        {"pointer": fault.path, "code": fault.rule, "message": fault.en, "message_ja": fault.ja}
        for fault in faults[:MAX_FAULTS]
    ]
    raise PlaybookInvalidError("The document is not a playbook that may take effect.", errors=errors)
