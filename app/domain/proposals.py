"""Reads a document as a playbook that may take effect, and tells everything that is wrong with one that may not."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from app.domain.errors import PlaybookInvalidError
from app.domain.lint import lint
from app.domain.playbook import Playbook
from app.domain.playbook_names import Fault
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook

MAX_FAULTS = 50
"""Faults that an answer lists; more of them say nothing new."""
UNNUMBERED = 0
"""The version of a document that nobody has proposed yet."""
_NOT_STORED = UUID(int=0)


def proof(document: Mapping[str, object]) -> tuple[Playbook | None, tuple[Fault, ...]]:
    """Return the playbook as far as it can be read, and its faults. Takes up to a second of computing."""
    try:
        playbook = read_playbook(document, _NOT_STORED, UNNUMBERED)
    except PlaybookFaultsError as error:
        return None, error.faults
    return playbook, lint(playbook)


def proven(document: Mapping[str, object]) -> Playbook:
    """Return the playbook of a document without a fault. Raises PlaybookInvalidError."""
    playbook, faults = proof(document)
    if playbook is None or faults:
        raise refusal(faults)
    return playbook


def refusal(faults: Sequence[Fault]) -> PlaybookInvalidError:
    """Return the error that lists the faults."""
    return PlaybookInvalidError("The document is not a playbook that may take effect.", errors=told(faults))


def told(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Return the first faults as callers see them: where, which rule, and how to mend it in both languages."""
    return [
        {"pointer": fault.path, "code": fault.rule, "message": fault.en, "message_ja": fault.ja}
        for fault in faults[:MAX_FAULTS]
    ]
