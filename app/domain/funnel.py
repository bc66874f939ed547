"""Funnel arithmetic: rates with fixed denominators over counts that somebody else took. Counts nothing itself.

Both organisations of a partnership read the same figures, so every rate carries its numerator and denominator.
A rate without a denominator is None, never 0: nothing was tried.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

# ISO 4217; every other currency has two digits.
_NO_MINOR_UNIT = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_MINOR_UNITS: dict[str, Decimal] = {
    **{currency: Decimal(1) for currency in _NO_MINOR_UNIT.split()},
    **{currency: Decimal("0.001") for currency in _THREE_DIGITS.split()},
}


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money; `currency` by ISO 4217."""

    value: Decimal
    currency: str

    @property
    def text(self) -> str:
        """Return the value as a decimal string, `1200000` for yen and `99.50` for euros; nothing is rounded off."""
        rounded = self.value.quantize(_minor_unit(self.currency))
        return f"{rounded if rounded == self.value else self.value.normalize():f}"

    def shared_by(self, count: int) -> "Amount":
        """Return the mean over `count` (at least 1), rounded half up to the currency's minor unit."""
        return Amount((self.value / count).quantize(_minor_unit(self.currency), ROUND_HALF_UP), self.currency)


@dataclass(frozen=True, slots=True)
class FunnelCounts:
    """What happened to one set of leads, in one currency. Activities are counted in calls, people in leads.

    `connected` are calls, `connected_leads` the leads with at least one of them, `key_person_leads` those of the
    latter where a `decision_maker` was reached. `appointments_due` are the appointments whose time has passed.
    `qualified` (有効商談) are meetings held whose lead entered `negotiation`, unless the playbook says otherwise.
    An amount is None where no outcome stated one.
    """

    calls: int
    connected: int
    connected_leads: int
    leads: int
    key_person_leads: int
    appointments: int
    appointments_due: int
    meetings_held: int
    qualified: int
    won: int
    lost: int
    pending: int
    amount_won: Amount | None = None
    annual_value_won: Amount | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of counts; not rounded, and above 1 where the numerator was not drawn from the denominator."""

    numerator: int
    denominator: int
    value: float | None


@dataclass(frozen=True, slots=True)
class AmountRate:
    """An amount for each of a count."""

    numerator: Amount | None
    denominator: int
    value: Amount | None


@dataclass(frozen=True, slots=True)
class Rates:
    """The rates of the funnel, in its order."""

    connect: Rate
    key_person: Rate
    appointment: Rate
    show: Rate
    qualified: Rate
    win: Rate
    acv: AmountRate


def rates(counts: FunnelCounts) -> Rates:
    """Return the rates of `counts`.

    connect = connected / calls; key person = leads where a decision maker was reached / leads reached at all;
    appointment = appointments / connected; show = held / appointments past due; qualified = qualified / held;
    win = won / (won + lost), pending left out; ACV = annual value won / won.
    """
    return Rates(
        connect=_rate(counts.connected, counts.calls),
        key_person=_rate(counts.key_person_leads, counts.connected_leads),
        appointment=_rate(counts.appointments, counts.connected),
        show=_rate(counts.meetings_held, counts.appointments_due),
        qualified=_rate(counts.qualified, counts.meetings_held),
        win=_rate(counts.won, counts.won + counts.lost),
        acv=_amount_rate(counts.annual_value_won, counts.won),
    )


def _rate(numerator: int, denominator: int) -> Rate:
    return Rate(numerator, denominator, numerator / denominator if denominator else None)


def _amount_rate(numerator: Amount | None, denominator: int) -> AmountRate:
    mean = numerator.shared_by(denominator) if numerator is not None and denominator else None
    return AmountRate(numerator, denominator, mean)


def _minor_unit(currency: str) -> Decimal:
    return _MINOR_UNITS.get(currency, Decimal("0.01"))
