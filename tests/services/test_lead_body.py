"""The hash by which a lead that is posted again is recognised: it is stored, so its formula never changes."""

from collections.abc import Iterator
from hashlib import sha256
from typing import get_args

import pytest
from pydantic import BaseModel

from app.schemas.lead_body import canonical, plain
from app.schemas.leads import LeadIn

SAID = (
    '{"program":"smb","external_id":"A-1","company":{"name":"株式会社甲","phone":"03-1234-5678"},"contact":{},'
    '"provenance":{"source_kind":"event","acquired_on":"2026-10-10"},"context":{"pain_points":[{"category":"speed"}],'
    '"bant":{"need":{"asked_on":"2026-10-11","value":"urgent"}}},"metadata":{"a":"1","b":"\\u0001é"}'
)
SENT = {
    "same": SAID + "}",
    "test said": SAID + ',"test":false}',
    "spaces": SAID.replace(":", " : ").replace(",", ",\n") + "}",
    "nulls": SAID.replace('"contact":{}', '"contact":{"name":null,"role":null},"partner":null') + "}",
    "order of what the caller names": SAID.replace('"a":"1","b":"\\u0001é"', '"b":"\\u0001é","a":"1"') + "}",
    "order": '{"test":false,' + SAID[1:].replace('"program":"smb",', "") + ',"program":"smb"}',
    "order within": SAID.replace(
        '"name":"株式会社甲","phone":"03-1234-5678"', '"phone":"03-1234-5678","name":"株式会社甲"'
    )
    + "}",
}


@pytest.mark.parametrize("how", SENT)
def test_equal_bodies_have_the_hash_of_what_they_say(how: str):
    body = LeadIn.model_validate_json(SENT[how])

    assert canonical(plain(body, test=False)) == sha256((SAID + "}").encode()).digest()
    assert canonical(plain(body, test=True)) == sha256((SAID + ',"test":true}').encode()).digest()


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model that a field may hold, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(annotation):
        yield from models_in(part)


def test_no_field_of_a_lead_but_test_has_a_default():
    """What has one is said even where the caller leaves it out: a new one would change the hashes that are stored."""
    models = set(models_in(LeadIn))
    defaults = {
        f"{model.__name__}.{name}": field.get_default(call_default_factory=True)
        for model in models
        for name, field in model.model_fields.items()
        if not field.is_required()
    }

    assert {"Company", "Contact", "PainPoint", "Budget", "NextStep"} <= {model.__name__ for model in models}
    assert {name: value for name, value in defaults.items() if value is not None} == {"LeadIn.test": False}


def test_bodies_that_differ_have_other_hashes():
    differing = [
        SAID.replace("甲", "乙"),
        SAID.replace('"contact":{},', ""),
        SAID.replace('"need"', '"budget"').replace("urgent", "planned"),
        SAID.replace('"a":"1"', '"a":"2"'),
    ]
    hashes = {canonical(plain(LeadIn.model_validate_json(text + "}"), test=False)) for text in [SAID, *differing]}

    assert len(hashes) == 5
