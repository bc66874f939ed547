"""Turns the samples of both systems into the table: medians, ratios per pair of rounds, percentiles over all rounds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one system. `peak_mib` is the serving process's; `note` says what else happened."""

    per_second: float
    latencies_us: Sequence[int]
    mean_bytes: float
    peak_mib: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """All rounds of one workload; `baton[n]` and `floor[n]` ran one after the other. `goal` is the least ratio."""

    name: str
    baton: Sequence[Sample]
    floor: Sequence[Sample]
    goal: float | None

    @property
    def ratios(self) -> list[float]:
        """Baton's rate by its floor's, pair by pair."""
        return [ours.per_second / theirs.per_second for ours, theirs in zip(self.baton, self.floor, strict=True)]


def percentile(latencies_us: Sequence[int], share: float) -> float:
    """Return a percentile in milliseconds, by the nearest rank."""
    ordered = sorted(latencies_us)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1000


def _latency(samples: Sequence[Sample]) -> str:
    latencies = [one for sample in samples for one in sample.latencies_us]
    return " / ".join(f"{percentile(latencies, share):.1f}" for share in (0.5, 0.95, 0.99))


def _rate(samples: Sequence[Sample]) -> str:
    return f"{median(sample.per_second for sample in samples):,.0f}/s"


def _peak(samples: Sequence[Sample]) -> str:
    return f"{max(sample.peak_mib for sample in samples):.0f}"


_HEAD = ("workload", "Baton", "floor", "ratio (median)", "pairs", "p50/p95/p99 ms", "floor's", "peak MiB", "floor's")


def table(results: Sequence[Result]) -> str:
    """Return the table as text."""
    rows = [_HEAD]
    for result in results:
        goal = f" (goal {result.goal:.2f})" if result.goal is not None else ""
        rows.append(
            (
                result.name,
                _rate(result.baton),
                _rate(result.floor),
                f"{median(result.ratios):.2f}{goal}",
                f"{min(result.ratios):.2f}..{max(result.ratios):.2f}",
                _latency(result.baton),
                _latency(result.floor),
                _peak(result.baton),
                _peak(result.floor),
            )
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
