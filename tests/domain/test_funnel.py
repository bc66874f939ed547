"""Funnel rates over one month written out by hand."""

from dataclasses import asdict, fields, replace
from decimal import Decimal

import pytest

from app.domain.funnel import Amount, AmountRate, FunnelCounts, Rate, Rates, rates

MONTH = FunnelCounts(
    calls=400,
    connected=80,
    connected_leads=64,
    leads=120,
    key_person_leads=16,
    appointments=20,
    appointments_due=16,
    meetings_held=12,
    qualified=9,
    won=3,
    lost=5,
    pending=2,
    amount_won=Amount(Decimal(4_000_000), "JPY"),
    annual_value_won=Amount(Decimal(1_000_000), "JPY"),
)
NOTHING = FunnelCounts(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def test_every_rate_shows_what_it_divides():
    assert rates(MONTH) == Rates(
        connect=Rate(80, 400, 0.2),
        key_person=Rate(16, 64, 0.25),
        appointment=Rate(20, 80, 0.25),
        show=Rate(12, 16, 0.75),
        qualified=Rate(9, 12, 0.75),
        win=Rate(3, 8, 0.375),
        acv=AmountRate(Amount(Decimal(1_000_000), "JPY"), 3, Amount(Decimal(333_333), "JPY")),
    )


def test_where_nothing_was_tried_there_is_no_rate():
    assert {rate["value"] for rate in asdict(rates(NOTHING)).values()} == {None}


def test_trying_without_success_is_a_rate_of_nought():
    assert rates(replace(NOTHING, lost=4)).win == Rate(0, 4, 0.0)


SHOWN_ONLY = ["leads", "pending", "amount_won"]


@pytest.mark.parametrize("name", SHOWN_ONLY)
def test_what_no_rate_is_made_of_changes_none(name):
    other = Amount(Decimal(1), "JPY") if name == "amount_won" else 99
    assert rates(replace(MONTH, **{name: other})) == rates(MONTH)


@pytest.mark.parametrize("name", [field.name for field in fields(FunnelCounts) if field.name not in SHOWN_ONLY])
def test_everything_else_changes_some_rate(name):
    other = Amount(Decimal(1), "JPY") if name == "annual_value_won" else 99
    assert rates(replace(MONTH, **{name: other})) != rates(MONTH)


def test_deals_won_without_an_annual_value_have_no_acv():
    assert rates(replace(MONTH, annual_value_won=None)).acv == AmountRate(None, 3, None)


@pytest.mark.parametrize(
    ("total", "currency", "count", "mean"),
    [
        ("1000000", "JPY", 3, "333333"),
        ("5", "JPY", 2, "3"),
        ("100", "EUR", 3, "33.33"),
        ("0.01", "USD", 2, "0.01"),
        ("10", "KWD", 3, "3.333"),
        ("0", "JPY", 3, "0"),
    ],
)
def test_a_mean_is_rounded_half_up_to_the_minor_unit(total, currency, count, mean):
    assert Amount(Decimal(total), currency).shared_by(count).text == mean


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("1200000", "JPY", "1200000"),
        ("1200000.00", "JPY", "1200000"),
        ("1.2E+6", "JPY", "1200000"),
        ("99.5", "EUR", "99.50"),
        ("0.125", "JPY", "0.125"),
        ("-3", "JPY", "-3"),
    ],
)
def test_an_amount_is_a_plain_decimal_string_that_loses_nothing(value, currency, text):
    assert Amount(Decimal(value), currency).text == text
