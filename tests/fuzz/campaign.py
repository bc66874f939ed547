"""Sends what schemathesis makes of the OpenAPI document to the running application, and holds every answer to it.

Half of the requests are valid by the document and half break it; ids, keys and versions are real ones where a draw says
so, else nothing would get past the look-ups. Nothing is shrunk: a campaign counts and reports.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
LEFT_OUT = frozenset({"/test/clock/advance"})
"""It moves the clock on which every token runs out."""
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@dataclass(frozen=True)
class Target:
    """Where to send, as whom, and which real values stand in for generated ones, by the name of their place.

    `token` gives a caller's token that still lives: a campaign takes longer than one does.
    """

    url: str
    callers: Sequence[str]
    token: Callable[[str], str]
    real: Mapping[str, Sequence[str]]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """What was sent and answered; `faults` are answers that the document does not allow, with one example each."""

    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[int] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> int:
        return sum(self.sent.values())

    def lines(self) -> Iterator[str]:
        yield f"{self.cases:,} cases over {len(self.sent)} operations; answers: " + ", ".join(
            f"{status} x {count:,}" for status, count in sorted(self.answered.items())
        )
        for what, example in sorted(self.faults.items()):
            yield f"{what}\n    {example}"


def run(target: Target, document: dict[str, Any], cases: int, start: int) -> Report:
    """Spread `cases` evenly over all operations; `start` seeds the draws. Blocks: run it beside the event loop."""
    held = schemathesis.openapi.from_dict(document)
    held.config.update(base_url=target.url)
    operations = [found.ok() for found in held.get_all_operations()]
    operations = [one for one in operations if one.path not in LEFT_OUT]
    report = Report()
    while report.cases < cases:  # some operations have fewer cases than others: a further round makes up for them
        each = -(-(cases - report.cases) // (len(operations) * len(MODES)))
        for operation in operations:
            start += 1
            for mode in MODES:
                _attack(operation, mode, target, report, each, start)
    return report


def _attack(
    operation: APIOperation, mode: GenerationMode, target: Target, report: Report, times: int, start: int
) -> None:
    try:
        cases = operation.as_strategy(generation_mode=mode)

        @seed(start)
        @settings(
            max_examples=times, database=None, deadline=None, phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(cases, st.randoms(use_true_random=False))
        def attack(case: Case, draw: random.Random) -> None:
            _send(_grounded(case, target, draw), target, draw, report)

        attack()
    except Unsatisfiable:
        report.sent[operation.label] += 0  # an operation without parameters cannot be called against its description


def _grounded(case: Case, target: Target, draw: random.Random) -> Case:
    """Put real values where generated ones would name nothing."""
    for name in case.path_parameters or {}:
        if (known := target.real.get(name)) and draw.random() < 0.8:
            case.path_parameters[name] = draw.choice(known)
    if isinstance(case.body, dict):
        case.body = {
            name: draw.choice(target.real[name]) if name in target.real and draw.random() < 0.8 else value
            for name, value in case.body.items()
        }
    if case.headers and "If-Match" in case.headers and draw.random() < 0.5:
        case.headers["If-Match"] = target.tags.get(case.formatted_path, '"1"')
    return case


def _send(case: Case, target: Target, draw: random.Random, report: Report) -> None:
    label = case.operation.label
    token = target.token(draw.choice(target.callers))
    report.sent[label] += 1
    response = case.call(headers={**(case.headers or {}), "Authorization": f"Bearer {token}"}, timeout=30)
    report.answered[response.status_code] += 1
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        for failure in group.exceptions:
            _note(report, label, response.status_code, failure, case)
    except Failure as failure:
        _note(report, label, response.status_code, failure, case)


def _note(report: Report, label: str, status: int, failure: BaseException, case: Case) -> None:
    title = getattr(failure, "title", type(failure).__name__)
    said = " ".join(str(getattr(failure, "message", failure)).split())[:300]
    report.faults.setdefault(f"{label}: {status} {title}: {said}", case.as_curl_command()[:600])
