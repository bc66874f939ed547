"""The hash by which a lead that is posted again is recognised: it is stored, so its formula never changes."""

from hashlib import sha256

import pytest

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


def test_no_field_of_a_lead_but_test_has_a_default():
    """What has one is said even where the caller leaves it out: a new one would change the hashes that are stored."""
    said = plain(LeadIn.model_validate_json(SAID + "}"), test=False)

    assert said == LeadIn.model_validate_json(SAID + "}").model_dump(
        mode="json", exclude_none=True, exclude_defaults=True
    )
    assert list(said) == ["program", "external_id", "company", "contact", "provenance", "context", "metadata"]


def test_bodies_that_differ_have_other_hashes():
    differing = [
        SAID.replace("甲", "乙"),
        SAID.replace('"contact":{},', ""),
        SAID.replace('"need"', '"budget"').replace("urgent", "planned"),
        SAID.replace('"a":"1"', '"a":"2"'),
    ]
    hashes = {canonical(plain(LeadIn.model_validate_json(text + "}"), test=False)) for text in [SAID, *differing]}

    assert len(hashes) == 5
