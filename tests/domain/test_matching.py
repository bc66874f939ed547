"""Matching: literal spellings, and the two vendors' files, whose overlap was told apart by hand."""

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.matching import (
    KeyKind,
    MatchKey,
    corporate_number_is_valid,
    keys_of,
    normalise_company_name,
    normalise_domain,
    normalise_phone,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

# Corporate number, domain (without `www.` and case) or telephone number (digits alone) of a row in B's file stand in
# A's file: 21 rows, 20 companies (B lists 新都心土木 twice). Five rows lack the number, A-BAD-NUMBER has a wrong one.
OVERLAP = {
    "B-00007": {"A-00004", "A-BAD-NUMBER"},
    "B-00011": {"A-00106"},
    "B-00013": {"A-00015"},
    "B-00015": {"A-00110"},
    "B-00022": {"A-00104"},
    "B-00026": {"A-00066"},
    "B-00029": {"A-00007"},
    "B-00034": {"A-00088"},
    "B-00035": {"A-00032"},
    "B-00043": {"A-00001"},
    "B-00044": {"A-00059"},
    "B-00050": {"A-00008"},
    "B-00052": {"A-00083"},
    "B-00056": {"A-00102"},
    "B-00057": {"A-00079"},
    "B-00068": {"A-00062"},
    "B-00069": {"A-00012"},
    "B-00079": {"A-00087"},
    "B-00087": {"A-00115"},
    "B-00093": {"A-00093"},
    "B-00095": {"A-00079"},
}


LONGEST = ".".join(["a" * 63] * 3 + ["b" * 61])
"""A host name of 253 characters."""


def leads_of_a() -> dict[str, dict[str, str]]:
    leads = {}
    for line in (EXAMPLES / "partner_a_leads.ndjson").read_text(encoding="utf-8").split("\n"):
        try:
            lead = json.loads(line)
        except ValueError:
            continue
        leads[lead["external_id"]] = lead["company"]
    return leads


def leads_of_b() -> dict[str, dict[str, str]]:
    with (EXAMPLES / "partner_b_leads.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    fields = ("corporate_number", "name", "domain", "phone")
    return {row["external_id"]: {field: row[f"company.{field}"] for field in fields} for row in rows}


def company_keys(company: dict[str, str], without: str = "") -> tuple[MatchKey, ...]:
    fields = ("corporate_number", "name", "domain", "phone")
    return keys_of(*(None if field == without else company.get(field) for field in fields))


def overlap(without: str = "") -> dict[str, set[str]]:
    held = defaultdict(set)
    for external_id, company in leads_of_a().items():
        for key in company_keys(company, without):
            held[key].add(external_id)
    found = defaultdict(set)
    for external_id, company in leads_of_b().items():
        for key in company_keys(company, without):
            found[external_id] |= held.get(key, set())
    return {external_id: matches for external_id, matches in found.items() if matches}


def test_two_vendors_files_overlap_in_these_companies_and_no_other():
    assert (len(leads_of_a()), len(leads_of_b())) == (124, 100)
    assert overlap() == OVERLAP


@pytest.mark.parametrize("field", ["corporate_number", "domain", "phone"])
def test_the_overlap_is_found_by_any_two_kinds_of_evidence(field):
    assert overlap(without=field) == OVERLAP


def test_companies_that_share_only_a_name_are_strangers():
    a = keys_of("8999950007073", "合同会社武蔵台ハウジング", "c07073.example", "03-1111-7073")
    b = keys_of("9999993007185", "合同会社武蔵台ハウジング", "c07185.example", "03-1111-7185")
    assert not set(a) & set(b)


@pytest.mark.parametrize("number", ["7999901000001", "1999910007001", "9999907007121", "7000012050002"])
def test_a_corporate_number_with_its_check_digit_is_valid(number):
    assert corporate_number_is_valid(number)
    for place in range(13):
        slip = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        nine_to_nought = place > 0 and number[place] == "9"
        assert corporate_number_is_valid(slip) == nine_to_nought


@pytest.mark.parametrize(
    "text",
    ["", "1234567890123", "799990100000", "79999010000011", "７９９９９０１０００００１", "7999901000001\n", "0" * 13],
)
def test_anything_else_is_no_corporate_number(text):
    assert not corporate_number_is_valid(text)


@pytest.mark.parametrize(
    ("name", "spellings"),
    [
        (
            "山田商事",
            (
                "山田商事 株式会社山田商事 山田商事株式会社 (株)山田商事 山田商事（株） ㈱山田商事 山田商事㈱ "
                "㍿山田商事 【株】山田商事 株)山田商事 有限会社山田商事 ㈲山田商事 山田商事(有) 合同会社山田商事 "
                "(同)山田商事 株式會社山田商事 一般社団法人山田商事 医療法人社団山田商事 山・田･商事"
            ),
        ),
        ("高斉渡辺", "髙齋渡邉 高斎渡邊 髙齊渡辺 株式会社髙斉渡邊"),
        ("高崎", "髙﨑 高碕 ㈱高嵜"),
        (
            "ヤマタサバ",
            "ﾔﾏﾀｻｰﾊﾞｰ ヤマタサーバー ヤマタ・サーバ カ)ヤマタサーバ ヤマタサーバ(カ",
        ),
        ("キヤノン", "キヤノン キャノン ｷｬﾉﾝ キヤノン株式会社"),
    ],
)
def test_the_spellings_of_a_japanese_name_meet(name, spellings):
    assert {normalise_company_name(spelling) for spelling in spellings.split()} == {name}


@pytest.mark.parametrize(
    "spelling",
    [
        "Example Works",
        "EXAMPLE WORKS, Inc.",
        "Example Works、Inc.",
        "Example Works Co., Ltd.",
        "Example Works Co.,Ltd.",
        "Ｅｘａｍｐｌｅ　Ｗｏｒｋｓ　Ｋ．Ｋ．",
        "Example-Works KK",
        "KK Example Works",
        "Kabushiki Kaisha Example Works",
        "Example Works (KK)",
        "Example Works LLC",
        "　株式会社Example  Works ",
        "(株) Example Works, Limited",
    ],
)
def test_the_spellings_of_an_english_name_meet(spelling):
    assert normalise_company_name(spelling) == "exampleworks"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Costco", "costco"),
        ("kkday", "kkday"),
        ("Zinc", "zinc"),
        ("同友館", "同友館"),
        ("有明", "有明"),
        ("山田(大阪)", "山田大阪"),
        ("佐々木", "佐々木"),
        ("株式会社", ""),
        (" ・", ""),
        ("", ""),
    ],
)
def test_what_only_looks_like_a_legal_form_stays(text, name):
    assert normalise_company_name(text) == name


@given(st.text(max_size=40))
def test_any_text_has_normal_forms(text):
    assert normalise_company_name(text) == normalise_company_name(f"　{text} ")
    assert (normalise_phone(text) or "+")[0] == "+"
    domain = normalise_domain(text)
    assert domain is None or domain == normalise_domain(domain)


@pytest.mark.parametrize(
    "text",
    [
        "03-1234-5678",
        "０３－１２３４－５６７８",
        "０３ー１２３４ー５６７８",
        "(03) 1234-5678",
        "03.1234.5678",
        "0312345678",
        "+81312345678",
        "＋81-3-1234-5678",
        "+81 (0)3 1234 5678",
        "+81 03 1234 5678",
        "0081-3-1234-5678",
        "TEL: 03-1234-5678",
        "03-1234-5678（代表）",
        "03-1234-5678 内線 12",
        "03-1234-5678 ext. 12",
    ],
)
def test_the_spellings_of_a_telephone_number_meet(text):
    assert normalise_phone(text) == "+81312345678"


def test_mobile_toll_free_and_foreign_numbers_are_numbers():
    assert normalise_phone("090-1234-5678") == "+819012345678"
    assert normalise_phone("0120-123-456") == "+81120123456"
    assert normalise_phone("+1 (415) 555-2671") == "+14155552671"
    assert normalise_phone("+44 (0)20 7946 0958") == "+442079460958"


@pytest.mark.parametrize(
    "text",
    ["", "-", "なし", "117", "000-0000-0000", "312345678", "+81", "+81-3-1234", "+1234567", "+1" * 9, "0" + "3" * 20],
)
def test_what_is_no_plausible_telephone_number_is_none(text):
    assert normalise_phone(text) is None


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("sample.example", "sample.example"),
        (" www.C07004.EXAMPLE ", "c07004.example"),
        ("https://www.sample.example:8443/a?b#c", "sample.example"),
        ("sample.example/", "sample.example"),
        ("sample.example.", "sample.example"),
        ("sample.example。", "sample.example"),
        ("123.example", "123.example"),
        ("sample.1.example", "sample.1.example"),
        ("sample.example.1", None),
        ("ｓａｍｐｌｅ．ｅｘａｍｐｌｅ", "sample.example"),
        ("日本語.jp", "xn--wgv71a119e.jp"),
        ("日本語。jp", "xn--wgv71a119e.jp"),
        ("mail.sample.example", "mail.sample.example"),
        ("www.example", "www.example"),
        ("gmail.com", None),
        ("WWW.Yahoo.co.jp", None),
        ("yamada@sample.example", None),
        ("http://user:secret@sample.example/", None),
        ("localhost", None),
        ("192.0.2.1", None),
        ("[2001:db8::1]", None),
        ("a..example", None),
        ("-a.example", None),
        ("a_b.example", None),
        (f"{'a' * 64}.example", None),
        (LONGEST, LONGEST),
        (f"b{LONGEST}", None),
        ("日" * 300 + ".example", None),
        ("なし", None),
        ("", None),
    ],
)
def test_a_domain_is_a_host_name_of_a_company_or_none(text, domain):
    assert normalise_domain(text) == domain


def test_the_keys_stand_in_the_order_of_their_weight():
    assert keys_of("7999901000001", "株式会社サンプル商事", "www.sample.example", "03-1234-5678") == (
        MatchKey(KeyKind.CORPORATE_NUMBER, "7999901000001"),
        MatchKey(KeyKind.DOMAIN_NAME, "sample.example サンプル商事"),
        MatchKey(KeyKind.PHONE_NAME, "+81312345678 サンプル商事"),
    )


@pytest.mark.parametrize(
    ("fields", "kinds"),
    [
        ((None, None, None, None), []),
        (("", "", "", ""), []),
        ((" ７９９９９０１０００００１ ", None, None, None), ["corporate_number"]),
        (("1234567890123", "株式会社サンプル商事", None, ""), []),
        ((None, "株式会社", "sample.example", "03-1234-5678"), []),
        ((None, None, "sample.example", "03-1234-5678"), []),
        ((None, "サンプル商事", "gmail.com", "03-1234-5678"), ["phone_name"]),
        ((None, "サンプル商事", "sample.example", "000-0000-0000"), ["domain_name"]),
    ],
)
def test_an_empty_or_impossible_field_never_gives_a_key(fields, kinds):
    assert [key.kind for key in keys_of(*fields)] == kinds
