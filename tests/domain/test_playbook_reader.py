"""A document is read as it stands or refused with every fault: where, by which rule, in a sentence of each language."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest

from app.domain.playbook import ClockStart, Duration, Exit, Fallback, Label, Playbook, Requirement, Step
from app.domain.playbook_names import Fault
from app.domain.playbook_reader import PlaybookFaultsError, read_playbook
from tests.domain.playbooks import document

DEFAULT = document()
IDENTITY = UUID(int=9)
Change = Callable[[dict[str, Any]], object]


def read(*changes: Change) -> Playbook:
    held = deepcopy(DEFAULT)
    for change in changes:
        change(held)
    return read_playbook(held, IDENTITY, 3)


def faults(*changes: Change) -> tuple[Fault, ...]:
    try:
        read(*changes)
    except PlaybookFaultsError as error:
        return error.faults
    return ()


def put(path: str, value: object) -> Change:
    """Return the change that sets the value at a pointer into the document, or deletes it (`...`)."""
    *parents, last = path.strip("/").split("/")

    def change(held: Any) -> None:
        for part in parents:
            held = held[int(part)] if isinstance(held, list) else held[part]
        key = int(last) if isinstance(held, list) else last
        if value is ...:
            del held[key]
        else:
            held[key] = value

    return change


OBJECT = ("shape.object", "An object is expected here.", "オブジェクトが必要です。")
LIST = ("shape.list", "A list is expected here.", "リストが必要です。")
FLAG = ("shape.flag", "true or false is expected.", "true または false が必要です。")
UNIT = ("duration.unit", "Exactly one unit is expected.", "単位は一つだけ指定してください。")
NAME = ("shape.name", "A name has 1 to 64 characters.", "名前が長すぎるか空です。")
COMMAND = ("may.command", "There is no such command.", "このコマンドは存在しません。")
KEY = ("stage.key", "A stage has a key of its own; `closed` is the end.", "段階のキーが重複しています。")
UNKNOWN = ("shape.unknown", "There is no such field.", "この項目は存在しません。")


def text(limit: int) -> tuple[str, str, str]:
    return "shape.text", f"A text of 1 to {limit} characters is expected.", f"1〜{limit}文字の文字列が必要です。"


def number(low: str, high: str) -> tuple[str, str, str]:
    return "shape.number", f"A number from {low} to {high} is expected.", f"{low}〜{high}の数値が必要です。"


def size(most: int) -> tuple[str, str, str]:
    return "shape.size", f"At most {most} entries are taken here.", f"{most}件以下にしてください。"


def one_of(choices: str) -> tuple[str, str, str]:
    return "shape.choice", f"One of {choices} is expected.", f"{choices} のいずれかが必要です。"


LABEL = {"en": "X", "ja": "X"}
SHAPES: list[tuple[str, object, tuple[str, str, str]]] = [
    ("/playbook", 2, ("language.version", "The language version is 1.", "言語のバージョンは1です。")),
    *((f"/{name}", [], OBJECT) for name in ("purpose", "roles", "may", "activities", "outcomes", "clocks", "ladders", "choices")),
    *((path, [], OBJECT) for path in (
        "/stages/0/exits/0/requires", "/stages/0/may", "/clocks/revisit", "/clocks/revisit/within", "/ladders/standard/fallback",
        "/ladders/standard/steps/0", "/ladders/standard/steps/0/after", "/form/0", "/choices/lost", "/choices/lost/price",
    )),
    *((path, "x", LIST) for path in (
        "/stages", "/form", "/stages/0/accountable", "/stages/0/consulted", "/stages/0/was", "/stages/0/exits",
        "/stages/0/handovers", "/stages/0/exits/0/requires/fields", "/stages/0/exits/0/requires/activities",
        "/clocks/revisit/starts/0/results", "/ladders/standard/steps", "/may/note", "/outcomes/won/by",
    )),
    *((path, ..., LIST) for path in (
        "/stages", "/form", "/stages/0/accountable", "/stages/0/clocks", "/stages/0/exits", "/clocks/revisit/starts",
        "/clocks/revisit/stops", "/ladders/standard/steps", "/outcomes/won/by", "/activities/conversation/kinds",
        "/activities/conversation/dispositions",
    )),
    *(("/stages/0/key", key, text(40)) for key in ("", "k" * 41, 5, None)),
    ("/program", "p" * 65, text(64)),
    *((path, "x" * 201, text(200)) for path in ("/entry", "/qualified", "/stages/0/exits/0/to", "/may/note/0", "/form/0/pointer")),
    *((path, "x" * 501, text(500)) for path in ("/purpose/en", "/purpose/ja", "/roles/partner/en", "/form/0/ja", "/choices/lost/price/en")),
    *((path, ..., text(200)) for path in (
        "/entry", "/qualified", "/stages/0/exits/0/to", "/stages/0/handovers/0/from", "/stages/0/handovers/0/to",
        "/clocks/revisit/starts/0/event", "/clocks/revisit/ladder", "/ladders/standard/fallback/role", "/outcomes/won/reasons",
        "/form/0/pointer", "/form/0/stage",
    )),
    *((path, None, text(200)) for path in ("/stages/0/handovers/0/enters", "/outcomes/won/enters", "/outcomes/won/handover_to", "/form/0/choices")),
    *(("/claim_days", days, number("1", "400")) for days in (0, 401, "90", True)),
    *(("/stages/0/handovers/0/requires/completeness", share, number("0", "1")) for share in (-0.01, 1.01)),
    ("/clocks/revisit/within/business_minutes", -1, number("0", "120000")),
    *((f"/outcomes/won/{name}", "yes", FLAG) for name in ("closes", "final")),
    *((f"/ladders/standard/steps/0/{name}", 1, FLAG) for name in ("destinations", "assign_fallback")),
    ("/clocks/revisit/feedback_debt", 0, FLAG),
    ("/roles/partner/side", "outer", one_of("partner, internal, either")),
    ("/clocks/revisit/owed_by", "manager", one_of("owner, giver, receiver, consulted")),
    ("/clocks/revisit/starts/0/from", "yesterday", one_of("event, meeting_at, revisit_on, next_update_on")),
    ("/ladders/standard/severity", "grave", one_of("critical, error, warning, info")),
    ("/ladders/standard/fallback/side", "either", one_of("internal, partner")),
    ("/clocks/revisit/within", {}, UNIT),
    ("/clocks/revisit/within", {"business_days": 1, "elapsed_minutes": 1}, UNIT),
    ("/stages/1/key", "awareness", KEY),
    ("/stages/2/key", "closed", KEY),
    ("/may/destroy", ["owner"], COMMAND),
    ("/may/time_out", ["owner"], COMMAND),
    ("/stages/0/may", {"destroy": ["owner"]}, ("may.command", "", "")),
    ("/stages/0/consulted", ["technical"] * 41, size(40)),
    ("/roles", {f"r{n}": {"side": "either", **LABEL} for n in range(41)}, size(40)),
    ("/choices", {f"c{n}": {} for n in range(201)}, size(200)),
    ("/choices/lost", {f"c{n}": LABEL for n in range(201)}, size(200)),
    (f"/roles/{'r' * 65}", {"side": "either", **LABEL}, NAME),
    ("/roles/", {"side": "either", **LABEL}, NAME),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "told"), SHAPES, ids=[f"{row[0]}-{n}" for n, row in enumerate(SHAPES)])
def test_what_has_another_shape_is_a_fault_at_its_place(path: str, value: object, told: tuple[str, str, str]):
    if path == "/stages/0/may":
        path, told = ("/stages/0/may/destroy", COMMAND) if value else (path, told)
        value, found = (..., faults(put("/stages/0/may", value)))
    elif path == "/roles/":
        found = faults(lambda held: held["roles"].update({"": value}))
    else:
        found = faults(put(path, value))
    assert Fault(path, *told) in found


UNKNOWN_IN = [
    "", "/purpose", "/roles/partner", "/stages/0", "/stages/0/exits/0", "/stages/0/exits/0/requires", "/stages/0/handovers/0",
    "/clocks/revisit", "/clocks/revisit/starts/0", "/clocks/revisit/within", "/ladders/standard", "/ladders/standard/fallback",
    "/ladders/standard/steps/0", "/ladders/standard/steps/0/after", "/outcomes/won", "/activities/conversation", "/form/0",
    "/form/0/help", "/choices/won/price",
]  # fmt: skip


@pytest.mark.parametrize("place", UNKNOWN_IN)
def test_an_unknown_field_is_a_fault_anywhere(place: str):
    asked = put("/form/0/help", {"en": "H", "ja": "H"})
    assert faults(asked, put(f"{place}/misspelt", 1)) == (Fault(f"{place}/misspelt", *UNKNOWN),)


REFERENCES = [
    ("/entry", "x", "/entry", "stage"),
    ("/qualified", "x", "/qualified", "stage"),
    ("/may/note/0", "x", "/may/note", "role"),
    ("/stages/0/may", {"note": ["owner", "x"]}, "/stages/0/may/note", "role"),
    ("/stages/1/accountable/0", "x", "/stages/1", "role"),
    ("/stages/1/consulted/0", "x", "/stages/1", "role"),
    ("/stages/1/informed/0", "x", "/stages/1", "role"),
    ("/stages/1/clocks/0", "x", "/stages/1/clocks", "clock"),
    ("/stages/1/exits/0/to", "x", "/stages/1/exits", "stage"),
    ("/stages/1/exits/0/requires/activities/0", "x", "/stages/1", "activity"),
    ("/stages/1/handovers/0/from", "x", "/stages/1/handovers", "role"),
    ("/stages/1/handovers/0/to", "x", "/stages/1/handovers", "role"),
    ("/stages/1/handovers/0/enters", "x", "/stages/1/handovers", "stage"),
    ("/stages/1/handovers/0/enters", "closed", "/stages/1/handovers", "stage"),
    ("/stages/1/handovers/0/requires/activities", ["x"], "/stages/1", "activity"),
    ("/clocks/revisit/ladder", "x", "/clocks/revisit/ladder", "ladder"),
    ("/clocks/revisit/stops/0", "x", "/clocks/revisit/stops", "event type"),
    ("/clocks/revisit/starts/0/event", "x", "/clocks/revisit/starts", "event type"),
    ("/clocks/revisit/starts/0/roles", ["x"], "/clocks/revisit/starts", "role"),
    ("/clocks/revisit/starts/0/results", ["x"], "/clocks/revisit/starts", "outcome"),
    ("/ladders/standard/fallback/role", "x", "/ladders/standard/fallback/role", "role"),
    ("/ladders/standard/steps/1/notify/0", "x", "/ladders/standard/steps/1/notify", "role"),
    ("/outcomes/won/by/0", "x", "/outcomes/won", "role"),
    ("/outcomes/won/handover_to", "x", "/outcomes/won", "role"),
    ("/outcomes/won/enters", "x", "/outcomes/won/enters", "stage"),
    ("/outcomes/won/reasons", "x", "/outcomes/won/reasons", "choice set"),
    ("/form/1/stage", "x", "/form/1/stage", "stage"),
    ("/form/1/choices", "x", "/form/1/choices", "choice set"),
]


@pytest.mark.parametrize(
    ("path", "value", "place", "kind"), REFERENCES, ids=[f"{row[0]}-{n}" for n, row in enumerate(REFERENCES)]
)
def test_a_name_that_names_nothing_is_a_fault(path: str, value: object, place: str, kind: str):
    name = "closed" if value == "closed" else "x"
    expected = Fault(
        place, f"name.{kind}", f"`{name}` is no {kind} of this playbook.", f"`{name}` は定義されていません。"
    )
    assert faults(put(path, value)) == (expected,)


def test_bounds_belong_to_what_they_bound():
    exact = read(
        put("/program", "p" * 64),
        put("/purpose/en", "x" * 500),
        put("/claim_days", 400),
        put("/stages/3/was", ["w" * 200] * 40),
        put("/stages/0/handovers/0/requires/completeness", 1),
        put("/clocks/revisit/within", {"business_minutes": 120_000}),
        put("/clocks/progress_owed/within", {"elapsed_minutes": 576_000}),
        put("/clocks/outcome_owed/within", {"business_days": 250}),
        put("/ladders/standard/steps/0/after", {"business_days": 0}),
        put("/choices/lost", {f"c{n}": LABEL for n in range(200)}),
        put(f"/roles/{'r' * 64}", {"side": "either", **LABEL}),
    )
    assert (len(exact.stages["onboarding"].was), len(exact.choices["lost"])) == (40, 200)
    assert "r" in read(put("/roles/r", {"side": "either", **LABEL})).roles
    assert (exact.program, exact.claim_days, exact.purpose.en) == ("p" * 64, 400, "x" * 500)
    assert [exact.clocks[key].within for key in ("revisit", "progress_owed", "outcome_owed")] == [
        Duration(120_000, "business_minutes"), Duration(576_000, "elapsed_minutes"), Duration(250, "business_days"),
    ]  # fmt: skip
    for path, value, most in (
        ("/clocks/revisit/within", {"business_minutes": 120_001}, "120000"),
        ("/clocks/revisit/within", {"elapsed_minutes": 576_001}, "576000"),
        ("/clocks/revisit/within", {"business_days": 251}, "250"),
    ):
        (fault,) = faults(put(path, value))
        assert (fault.path, fault.en) == (f"{path}/{next(iter(value))}", f"A number from 0 to {most} is expected.")
    assert read(put("/claim_days", 1)).claim_days == 1
    assert faults(put("/stages/0/key", "k" * 41), put("/entry", "k" * 41))[0].path == "/stages/0/key"


def test_what_is_left_out_has_its_default():
    playbook = read(
        put("/claim_days", ...), put("/may", ...), put("/stages/3/handovers", ...), put("/stages/3/consulted", ...),
        put("/stages/3/informed", ...), put("/ladders/standard/steps/0/notify", ...),
        put("/ladders/standard/steps/0/destinations", ...), put("/outcomes/lost/final", ...),
        put("/stages/0/handovers/0/requires/completeness", ...), put("/stages/0/exits/0/requires/fields", ...),
    )  # fmt: skip
    stage = playbook.stages["onboarding"]
    assert (playbook.claim_days, dict(playbook.may)) == (90, {})
    assert (stage.handovers, stage.consulted, stage.informed, stage.was, dict(stage.may)) == ((), (), (), (), {})
    nothing = Step(Duration(0, "business_minutes"), (), destinations=False, assign_fallback=False)
    assert playbook.ladders["standard"].steps[0] == nothing
    assert playbook.outcomes["lost"].final is False
    assert playbook.outcomes["lost"].enters is playbook.outcomes["lost"].handover_to is None
    awareness = playbook.stages["awareness"]
    assert awareness.handovers[0].requires == Requirement(
        ("/context/pain_points", "/context/temperature", "/context/bant/need"), 0.0, ()
    )
    assert awareness.exits[0].requires == Requirement((), 0.0, ("conversation",))
    assert awareness.handovers[1].requires == Requirement()
    assert stage.exits == (Exit("closed", Requirement(), "stages.onboarding.exits.closed"),)
    assert playbook.clocks["first_contact"].starts == (ClockStart("lead.accepted", "event", (), ()),)
    assert playbook.clocks["first_contact"].feedback_debt is False


def test_what_is_given_is_read_as_it_stands():
    playbook = read(
        put("/stages/0/may", {"note": ["manager"]}),
        put("/stages/1/was", ["demo", "trial"]),
        put("/form/0/help", {"en": "H", "ja": "助"}),
        put("/ladders/standard/fallback", {"side": "partner", "role": "manager"}),
        put("/clocks/revisit/starts/0", {"event": "outcome.closed", "from": "meeting_at", "results": ["lost"], "roles": ["partner"]}),
    )  # fmt: skip
    assert (playbook.id, playbook.version) == (IDENTITY, 3)
    assert playbook.document["entry"] == "awareness"
    assert dict(playbook.stages["awareness"].may) == {"note": ("manager",)}
    assert playbook.stages["evaluation"].was == ("demo", "trial")
    assert (playbook.form[0].help, playbook.form[0].choices, playbook.form[6].choices) == (
        Label("H", "助"), "pain_categories", None,
    )  # fmt: skip
    assert playbook.ladders["standard"].fallback == Fallback(
        playbook.roles["partner"].side or pytest.fail("the partner has a side"), "manager"
    )
    assert playbook.clocks["revisit"].starts[0] == ClockStart("outcome.closed", "meeting_at", ("lost",), ("partner",))
    first, second = playbook.stages["awareness"].handovers[0], playbook.stages["evaluation"].handovers[0]
    assert (first.rule, first.enters) == ("stages.awareness.handovers.partner.internal_sales", "evaluation")
    assert (second.rule, second.enters) == ("stages.evaluation.handovers.partner.internal_sales", None)


def test_all_faults_are_told_up_to_a_bound_and_names_only_once_the_shape_holds():
    found = faults(put("/playbook", 2), put("/entry", "x"), put("/claim_days", 0))
    assert [fault.path for fault in found] == ["/playbook", "/claim_days"]
    many = faults(put("/choices", {f"s{n}": {f"c{m}": {"en": "", "ja": ""} for m in range(20)} for n in range(20)}))
    assert len(many) == 500
    with pytest.raises(PlaybookFaultsError, match=r"^/form: A list is expected here\.; /claim_days: A number "):
        read(put("/claim_days", 0), put("/form", 1))
    long = faults(lambda held: held["choices"].update({"s" * 60: {"c" * 300: {}}}))
    assert {len(fault.path) for fault in long} == {200}
    with pytest.raises(PlaybookFaultsError) as refused:
        read_playbook([], IDENTITY, 1)  # type: ignore[arg-type]
    assert refused.value.faults[0] == Fault("/", *OBJECT)
