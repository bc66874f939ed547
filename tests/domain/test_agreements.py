"""A fingerprint that anybody can take again, days of review within bounds, and sheets in which nothing is a formula."""

from datetime import date
from hashlib import sha256

import pytest

from app.domain.agreements import fingerprint, review_day, sheet

TODAY = date(2026, 11, 20)


def test_a_fingerprint_does_not_depend_on_the_order_of_fields():
    expected = sha256('{"a":[1,0.6],"ä":{"x":null,"y":"課題"}}'.encode()).hexdigest()
    assert fingerprint({"ä": {"y": "課題", "x": None}, "a": [1, 0.6]}) == expected


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, date(2027, 5, 21)),
        (date(2026, 11, 20), None),
        (date(2026, 11, 21), date(2026, 11, 21)),
        (date(2028, 11, 20), date(2028, 11, 20)),
        (date(2028, 11, 21), None),
    ],
)
def test_a_review_lies_in_the_next_two_years(asked: date | None, found: date | None):
    assert review_day(asked, TODAY) == found


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "＠x"])
def test_no_cell_is_a_formula(text: str):
    assert sheet(("a",), [{"a": text}]).split("\r\n", 1)[1].strip('\r\n"').startswith("'" + text[0])


def test_a_sheet_quotes_and_leaves_nulls_empty():
    rows = [{"a": 'say "no", please\nnow', "b": None}, {"a": "課題", "b": 3}]
    assert sheet(("a", "b"), rows) == 'a,b\r\n"say ""no"", please\nnow",\r\n課題,3\r\n'
