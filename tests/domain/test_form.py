"""What the form asks, which boundaries an answer opens, and the JSON Schema that a vendor's tool reads."""

from uuid import UUID

import pytest

from app.domain.form import fields, gates, schema
from app.domain.playbook_reader import read_playbook
from tests.domain.playbooks import default, document

ADVANCE = {"stage": "awareness", "command": "advance", "to": "evaluation"}
OFFER = {"command": "handover", "from": "partner", "to": "internal_sales"}
BOTH_OFFERS = [{"stage": "awareness", **OFFER}, {"stage": "evaluation", **OFFER}]


@pytest.mark.parametrize(
    ("pointer", "expected"),
    [
        ("/context/pain_points", [ADVANCE, *BOTH_OFFERS]),
        ("/context/temperature", BOTH_OFFERS),
        ("/context/bant/need", BOTH_OFFERS),
        ("/context/bant", BOTH_OFFERS),
        ("/context/ban", []),
        ("/context/bant/need/value", []),
        ("/context/concerns", []),
    ],
)
def test_an_answer_opens_the_boundaries_that_ask_for_it_or_for_a_part_of_it(pointer: str, expected: list):
    assert gates(default(), pointer) == expected


def test_the_questions_stand_in_their_order_with_labels_choices_and_gates():
    held = document()
    held["form"][1]["help"] = {"en": "Ask last.", "ja": "最後に聞く。"}
    found = fields(read_playbook(held, UUID(int=9), 1))
    assert [asked["pointer"] for asked in found] == [
        "/context/pain_points", "/context/temperature", "/context/bant/need", "/context/bant/timeline",
        "/context/bant/budget", "/context/bant/authority", "/context/expectations", "/context/concerns",
        "/context/next_step",
    ]  # fmt: skip
    assert found[1] == {
        "pointer": "/context/temperature",
        "label_en": "How warm is the interest?",
        "label_ja": "温度感はどの程度ですか。",
        "help_en": "Ask last.",
        "help_ja": "最後に聞く。",
        "choices": [
            {"code": "hot", "label_en": "Hot", "label_ja": "高い"},
            {"code": "warm", "label_en": "Warm", "label_ja": "中程度"},
            {"code": "cold", "label_en": "Cold", "label_ja": "低い"},
        ],
        "asked_in": "awareness",
        "gates": BOTH_OFFERS,
    }
    assert found[7] == {
        "pointer": "/context/concerns",
        "label_en": "What worries the customer?",
        "label_ja": "顧客の懸念は何ですか。",
        "help_en": None,
        "help_ja": None,
        "choices": None,
        "asked_in": "evaluation",
        "gates": [],
    }


def maybe(schema: dict) -> dict:
    return {"anyOf": [schema, {"type": "null"}]}


LEAD = {
    "$defs": {
        "Context": {
            "properties": {
                "pain_points": {"type": "array", "items": {"$ref": "#/$defs/Pain"}, "maxItems": 9},
                "temperature": maybe({"type": "string"}),
                "bant": maybe({"$ref": "#/$defs/Bant"}),
                "expectations": maybe({"$ref": "#/$defs/Words"}),
            }
        },
        "Pain": {"properties": {"category": {"type": "string"}, "note": maybe({"$ref": "#/$defs/Text"})}},
        "Bant": {"properties": {"need": maybe({"$ref": "#/$defs/Need"})}},
        "Need": {"properties": {"value": {"type": "string"}, "note": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
        "Words": {"$ref": "#/$defs/Text"},
        "Text": {"type": "string", "maxLength": 2000},
    },
    "properties": {"context": maybe({"$ref": "#/$defs/Context"})},
}  # fmt: skip


def test_the_form_is_the_part_of_a_leads_body_that_it_asks_for():
    held = document()
    asked = {one["pointer"]: one for one in held["form"]}
    held["form"] = [asked[f"/context/{name}"] for name in ("pain_points", "temperature", "bant/need", "expectations")]
    held["form"][3]["help"] = {"en": "In their words.", "ja": "顧客の言葉で。"}
    held["choices"].update(
        pain_categories={"cost": {"en": "Cost", "ja": "コスト"}},
        temperature={"hot": {"en": "Hot", "ja": "高い"}},
        bant_need={"urgent": {"en": "Urgent", "ja": "緊急"}},
    )
    before = repr(LEAD)
    assert schema(read_playbook(held, UUID(int=9), 1), LEAD) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "smb-inside-sales",
        "type": "object",
        "properties": {
            "context": {
                "type": "object",
                "properties": {
                    "pain_points": {
                        "type": "array",
                        "items": {
                            "properties": {
                                "category": {"oneOf": [{"const": "cost", "title": "Cost", "x-title-ja": "コスト"}]},
                                "note": {"type": "string", "maxLength": 2000},
                            }
                        },
                        "maxItems": 9,
                        "title": "Which problems did the customer name?",
                        "x-title-ja": "顧客が口にした課題は何ですか。",
                        "x-asked-in": "awareness",
                        "x-gates": [ADVANCE, *BOTH_OFFERS],
                    },
                    "temperature": {
                        "oneOf": [{"const": "hot", "title": "Hot", "x-title-ja": "高い"}],
                        "title": "How warm is the interest?",
                        "x-title-ja": "温度感はどの程度ですか。",
                        "x-asked-in": "awareness",
                        "x-gates": BOTH_OFFERS,
                    },
                    "bant": {
                        "type": "object",
                        "properties": {
                            "need": {
                                "properties": {
                                    "value": {"oneOf": [{"const": "urgent", "title": "Urgent", "x-title-ja": "緊急"}]},
                                    "note": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                                },
                                "title": "How clear is the need?",
                                "x-title-ja": "必要性はどの程度明確ですか。",
                                "x-asked-in": "awareness",
                                "x-gates": BOTH_OFFERS,
                            }
                        },
                    },
                    "expectations": {
                        "type": "string",
                        "maxLength": 2000,
                        "title": "What does the customer expect?",
                        "x-title-ja": "顧客の期待は何ですか。",
                        "x-asked-in": "evaluation",
                        "description": "In their words.",
                        "x-description-ja": "顧客の言葉で。",
                        "x-gates": [],
                    },
                },
            }
        },
    }
    assert repr(LEAD) == before
