"""Tells an event of a lead's timeline as a sentence, with the labels of the agreed playbook."""

from collections.abc import Callable
from typing import Any

from examples.demo import files

_PLAYBOOK = files.playbook()
_ROLES = _PLAYBOOK["roles"]
_STAGES = {stage["key"]: f"{stage['en']} {stage['ja']}" for stage in _PLAYBOOK["stages"]}

Data = dict[str, Any]


def _role(code: str) -> str:
    return str(_ROLES[code]["en"]).lower() if code in _ROLES else code


def _activity(data: Data, by: str) -> str:
    whom = f" with the {data['contact_role'].replace('_', ' ')}" if data.get("contact_role") else ""
    return f"{by}: {data['kind']}{whom}, {data['disposition'].replace('_', ' ')}"


def _note(data: Data, by: str) -> str:
    whom = "for both sides" if data["visibility"] == "shared" else "for its own organisation alone"
    return f"{by} notes {data['kind'].replace('_', ' ')}, {whom}"


def _stage(data: Data, by: str) -> str:
    to = data.get("to") or data.get("stage")
    return f"{by} closes the lead" if to == "closed" else f"enters {_STAGES.get(str(to), to)}"


def _outcome(data: Data, by: str) -> str:
    label = _PLAYBOOK["choices"][data["result"]][data["reason"]]
    return f"{by}: {data['result']}, {label['en'].lower()} {label['ja']}"


_SENTENCES: dict[str, Callable[[Data, str], str]] = {
    "lead.received": lambda data, _: f"the lead arrives; accountable: {_role(data['owner']['role'])}",
    "lead.accepted": lambda *_: "nobody held the company: it is the vendor's to work on",
    "lead.updated": lambda _, by: f"{by} adds what the customer said",
    "activity.logged": _activity,
    "note.added": _note,
    "stage.entered": _stage,
    "ownership.changed": lambda data, _: f"accountable from now on: {_role(_owner(data))}",
    "handover.requested": lambda data, _: f"{_role(data['from_role'])} offers the baton to {_role(data['to_role'])}",
    "handover.returned": lambda _, by: f"{by} asks before it decides",
    "handover.answered": lambda _, by: f"{by} answers",
    "handover.accepted": lambda _, by: f"{by} takes the baton",
    "outcome.closed": _outcome,
    "outcome.acknowledged": lambda _, by: f"{by} has read it and agrees",
}


def _owner(data: Data) -> str:
    return str((data.get("owner") or data.get("to") or {}).get("role", ""))


def told(event: dict[str, Any]) -> str:
    """Return an event as a sentence; its type alone where there is none for it."""
    sentence = _SENTENCES.get(event["type"])
    by = _role(event.get("by_role") or "")
    return sentence(event["data"], by) if sentence else by
