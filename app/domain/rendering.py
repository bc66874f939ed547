"""Renders a playbook as plain text, one rule a line, for people who review it and for diffs between versions."""

from collections.abc import Iterator

from app.domain.journey import ENGINE_COMMANDS, MOVES
from app.domain.playbook import ClockRule, Duration, Label, Ladder, Playbook, Requirement, Stage

_UNITS = {
    "business_minutes": "business minutes",
    "elapsed_minutes": "elapsed minutes",
    "business_days": "business days",
}


def _label(label: Label) -> str:
    return f"{label.en} / {label.ja}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "nobody"


def _wait(duration: Duration) -> str:
    return f"{duration.amount} {_UNITS[duration.unit]}"


def _requires(requires: Requirement) -> str:
    parts = [*requires.fields]
    if requires.completeness:
        parts.append(f"completeness {requires.completeness:g}")
    parts.extend(f"activity {key}" for key in requires.activities)
    return ", ".join(parts) if parts else "nothing"


def _stage(playbook: Playbook, stage: Stage) -> Iterator[str]:
    where = f"stage {stage.key}"
    yield f"{where} | label | {_label(stage.label)}"
    yield f"{where} | accountable | {_names(stage.accountable)}"
    yield f"{where} | consulted | {_names(stage.consulted)}"
    yield f"{where} | informed | {_names(stage.informed)}"
    yield f"{where} | clocks | {_names(stage.clocks)}"
    if stage.was:
        yield f"{where} | was | {_names(stage.was)}"
    for command in MOVES:
        if command not in ENGINE_COMMANDS:
            yield f"{where} | may {command} | {_names(playbook.performers(stage.key, command))}"
    for leaving in stage.exits:
        yield f"{where} | exit to {leaving.to} needs | {_requires(leaving.requires)}"
    for way in stage.handovers:
        enters = f", enters {way.enters}" if way.enters else ""
        yield f"{where} | handover {way.giver} to {way.receiver}{enters} needs | {_requires(way.requires)}"


def _clock(rule: ClockRule) -> Iterator[str]:
    where = f"clock {rule.key}"
    yield f"{where} | label | {_label(rule.label)}"
    for start in rule.starts:
        parts = [f"from {start.anchor}"] if start.anchor != "event" else []
        parts += [f"results {_names(start.results)}"] if start.results else []
        parts += [f"owed by {_names(start.roles)}"] if start.roles else []
        yield f"{where} | starts on {start.on} | {', '.join(parts) or 'always'}"
    yield f"{where} | stops on | {_names(rule.stops)}"
    yield f"{where} | within | {_wait(rule.within)}"
    yield f"{where} | owed by | {rule.owed_by}"
    yield f"{where} | ladder | {rule.ladder}"
    yield f"{where} | counts as feedback debt | {'yes' if rule.feedback_debt else 'no'}"


def _ladder(ladder: Ladder) -> Iterator[str]:
    where = f"ladder {ladder.key}"
    yield f"{where} | severity | {ladder.severity}"
    for n, step in enumerate(ladder.steps, 1):
        parts = [f"tell {_names(step.notify)}"]
        parts += ["page on-call tools"] if step.destinations else []
        parts += ["the fallback takes the lead"] if step.assign_fallback else []
        yield f"{where} | step {n} after {_wait(step.after)} | {'; '.join(parts)}"
    yield f"{where} | fallback | {ladder.fallback.role} of {ladder.fallback.side}"


def lines(playbook: Playbook) -> Iterator[str]:
    """Yield every rule of a playbook as `where | what | value`, in the order of the document."""
    yield f"playbook | program | {playbook.program}"
    yield f"playbook | purpose | {_label(playbook.purpose)}"
    yield f"playbook | entry | {playbook.entry}"
    yield f"playbook | qualified | {playbook.qualified}"
    yield f"playbook | a claim lasts | {playbook.claim_days} days"
    for role in playbook.roles.values():
        yield f"role {role.key} | side | {role.side or 'either'}"
        yield f"role {role.key} | label | {_label(role.label)}"
    for activity in playbook.activities.values():
        kinds, dispositions = tuple(sorted(activity.kinds)), tuple(sorted(activity.dispositions))
        yield f"activity {activity.key} | label | {_label(activity.label)}"
        yield f"activity {activity.key} | is | {_names(kinds)} with {_names(dispositions)}"
    for stage in playbook.stages.values():
        yield from _stage(playbook, stage)
    for outcome in playbook.outcomes.values():
        where = f"outcome {outcome.result}"
        yield f"{where} | by | {_names(outcome.by)}"
        yield f"{where} | closes the lead | {'yes' if outcome.closes else 'no'}"
        yield f"{where} | final | {'yes' if outcome.final else 'no'}"
        yield f"{where} | enters | {outcome.enters or 'no other stage'}"
        yield f"{where} | hands over to | {outcome.handover_to or 'nobody'}"
        yield f"{where} | reasons | {outcome.reasons}"
    for rule in playbook.clocks.values():
        yield from _clock(rule)
    for ladder in playbook.ladders.values():
        yield from _ladder(ladder)
    for asked in playbook.form:
        yield f"form {asked.pointer} | asked in {asked.stage} | {_label(asked.label)}"
    for key, held in playbook.choices.items():
        for code, label in held.items():
            yield f"choice {key} | {code} | {_label(label)}"


def render(playbook: Playbook) -> str:
    """Return the playbook as text that a reviewer reads and a test compares cell by cell."""
    return "\n".join(lines(playbook)) + "\n"
