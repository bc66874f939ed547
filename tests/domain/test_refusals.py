"""Each refusal becomes the error of its slug, cites the rule and version, and lists what is missing only if it is."""

from datetime import UTC, datetime

import pytest

from app.domain import errors
from app.domain.journey import Command, Effects, Refusal
from app.domain.refusals import granted, permitted, refused
from tests.domain.playbooks import VENDOR, actor, default, lead

NOW = datetime(2026, 11, 20, 1, tzinfo=UTC)
CITED = {"program": "smb-inside-sales", "version": 1, "rule": "stages.awareness.exits"}


@pytest.mark.parametrize(
    ("slug", "kind"),
    [
        ("consultation-not-open", errors.ConsultationNotOpenError),
        ("handover-incomplete", errors.HandoverIncompleteError),
        ("handover-not-pending", errors.HandoverNotPendingError),
        ("handover-pending", errors.HandoverPendingError),
        ("lead-not-open", errors.LeadNotOpenError),
        ("not-found", errors.NotFoundError),
        ("not-owner", errors.NotOwnerError),
        ("not-permitted", errors.NotPermittedError),
        ("outcome-exists", errors.OutcomeExistsError),
        ("reason-not-allowed", errors.ReasonNotAllowedError),
        ("stage-refused", errors.StageRefusedError),
    ],
)
def test_a_refusal_is_the_error_of_its_slug(slug: str, kind: type[errors.BatonError]):
    error = refused(default(), Refusal(slug, "stages.awareness.exits", "No such way."))
    assert type(error) is kind
    assert (error.detail, error.members) == ("No such way.", {"playbook": CITED})


def test_what_is_missing_is_listed():
    error = refused(
        default(), Refusal("stage-refused", "stages.awareness.exits", "Not yet.", ("/note", "completeness:1"))
    )
    assert error.members == {"playbook": CITED, "missing": ["/note", "completeness:1"]}


def test_a_command_has_its_effects_or_raises():
    effects = permitted(default(), lead(), actor(VENDOR), Command("advance", to_stage="evaluation"), NOW)
    assert (effects.rule, effects.stage) == ("stages.awareness.exits.evaluation", "evaluation")
    with pytest.raises(errors.StageRefusedError) as error:
        permitted(default(), lead(), actor(VENDOR), Command("advance", to_stage="onboarding"), NOW)
    assert error.value.members == {"playbook": CITED}
    with pytest.raises(errors.NotFoundError):
        granted(default(), Refusal("not-found", "moves.correct", "None yet."))
    held = Effects("moves.note", "open", "awareness", VENDOR)
    assert granted(default(), held) is held
