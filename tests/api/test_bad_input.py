"""Bad input to every route gets the problem that the contract names, repeats nothing of the input and leaves no trace."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final

import httpx2
import pytest

from app.routers.edge.query import known_names
from app.security.keyring import MasterKeys
from tests.api.refusals import (
    CANARY,
    KEY_CANARY,
    PARAMETER,
    Case,
    addressed,
    faults,
    named,
    no_trace,
    refused,
    send,
    writing,
)
from tests.isolation.population import Population, populate
from tests.isolation.routes import ENTRIES, routes_of
from tests.world import a_world

_DEEP: Final = b"[" * 33 + b"]" * 33

MALFORMED: Final = {
    "cut off": f'{{"x": "{CANARY}"'.encode(),
    "trailing comma": f'{{"x": "{CANARY}",}}'.encode(),
    "trailing text": f'{{"x": 1}} "{CANARY}"'.encode(),
    "NUL escaped": f'{{"x": "{CANARY}\\u0000"}}'.encode(),
    "NUL in a key": f'{{"{CANARY}\\u0000": 1}}'.encode(),
    "NUL as it is": f'{{"x": "{CANARY}\0"}}'.encode(),
    "a repeated key": f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode(),
    "a repeated key, deep": f'{{"x": {{"{CANARY}": 1, "{CANARY}": 2}}}}'.encode(),
    "NaN": f'{{"{CANARY}": NaN}}'.encode(),
    "Infinity": f'{{"{CANARY}": -Infinity}}'.encode(),
    "a number that overflows": f'{{"{CANARY}": 1e999}}'.encode(),
    "a lone surrogate": f'{{"x": "{CANARY}\\ud800"}}'.encode(),
    "no UTF-8": f'{{"x": "{CANARY}'.encode() + b'\xff"}',
    "UTF-16": f'{{"x": "{CANARY}"}}'.encode("utf-16"),
    "33 levels": b'{"x": ' + _DEEP[1:-1] + b"}",
    "single quotes": f"{{'x': '{CANARY}'}}".encode(),
    "no JSON at all": CANARY.encode(),
}


@pytest.fixture(scope="module")
async def people(database_url: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    async with a_world(database_url, master_keys) as world:
        yield await populate(world)


@pytest.fixture
async def untouched(people: Population) -> AsyncIterator[None]:
    async with no_trace(people):
        yield


async def test_what_is_no_strict_json_is_malformed(people: Population, untouched: None) -> None:
    cases: list[Case] = []
    for key, route in writing(people):
        takes_none = route.body_field is None
        for what, content in MALFORMED.items():
            cases.append((named(key, what), send(people, key, content), {400}, "malformed-body"))
        if not takes_none and route.body_field.field_info.is_required():
            cases.append((named(key, "no body"), send(people, key, b""), {400}, "malformed-body"))
    assert len(cases) > 500
    await refused(cases)


async def test_what_is_no_object_or_has_an_unknown_field_is_not_valid(people: Population, untouched: None) -> None:
    cases: list[Case] = []
    for key, _ in writing(people):
        unknown = [json.dumps({name: CANARY}).encode() for name in (KEY_CANARY, "tenant_id", "__proto__")]
        cases += [
            (named(key, content.decode()), send(people, key, content), {422}, "validation-failed")
            for content in (b"[]", f'"{CANARY}"'.encode(), b"12345", b"true", *unknown)
        ]
    await refused(cases)


async def test_a_body_over_the_limit_is_refused_announced_or_not(people: Population, untouched: None) -> None:
    async def in_parts(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 4096 + 1):
            yield b" " * 4096

    cases: list[Case] = []
    for key, route in writing(people):
        size = route.declaration.max_body + 1
        cases.append((named(key, "announced"), send(people, key, b" " * size), {413}, "payload-too-large"))
        cases.append((named(key, "in parts"), send(people, key, in_parts(size)), {413}, "payload-too-large"))
    await refused(cases)


async def test_another_media_type_or_encoding_is_refused_with_what_is_taken(
    people: Population, untouched: None
) -> None:
    cases: list[Case] = []
    for key, _ in writing(people):
        for headers in (
            {"content-type": "text/plain"},
            {"content-type": "application/x-www-form-urlencoded"},
            {"content-type": CANARY},
            {"content-type": "application/json; charset=shift_jis"},
            {"content-encoding": "gzip"},
            {"content-encoding": CANARY},
        ):
            request = send(people, key, b'{"x": 1}', headers=headers)
            cases.append((named(key, str(headers)), request, {415}, "unsupported-media-type"))
    await refused(cases)
    for key, _ in writing(people):
        answer = await send(people, key, b"x", headers={"content-type": "text/plain"})
        name = "accept-patch" if key[0] == "PATCH" else "accept-post"
        assert "application/json" in answer.headers.get(name, "") or key[0] == "PUT", key


async def test_unknown_and_repeated_query_parameters_are_refused_on_every_route(
    people: Population, untouched: None
) -> None:
    cases: list[Case] = []
    for key, route in routes_of(people.world.app).items():
        if route is None or route.declaration.public:
            continue
        queries = [f"{KEY_CANARY}=1", f"zz={CANARY}", f"zz={CANARY}&zz={CANARY}", "zz=%00", "&".join(["a=1"] * 101)]
        if repeatable := sorted(known_names(route.dependant)):
            queries.append(f"{repeatable[0]}={CANARY}&{repeatable[0]}={CANARY}")
        for query in queries:
            body = json.dumps(ENTRIES[key].body or {}).encode() if key[0] in {"POST", "PATCH", "PUT"} else None
            headers = {"If-Match": '"1"', "content-type": ENTRIES[key].media_type}
            request = send(people, key, body, params=httpx2.QueryParams(query), headers=headers)
            cases.append((named(key, query), request, {422}, "validation-failed"))
        request = send(people, key, None, params={"access_token": CANARY})
        cases.append((named(key, "token in the query"), request, {400}, "invalid-request"))
    await refused(cases)


async def test_an_unreadable_idempotency_key_is_refused(people: Population, untouched: None) -> None:
    cases: list[Case] = []
    for key, _ in writing(people):
        if key[0] != "POST":
            continue
        for value in ("", f"{CANARY} {CANARY}", f"{CANARY}{'x' * 256}", f"{CANARY}\u00e9"):
            headers = {"Idempotency-Key": value.encode("latin-1")}
            cases.append((named(key, f"key {value[:20]}"), send(people, key, b"{}", headers=headers), {400}, "invalid-request"))  # fmt: skip
    await refused(cases)


async def test_bad_paths_and_queries_of_reads_are_refused(people: Population, untouched: None) -> None:
    wrong: list[str] = []
    world = people.world
    values = [
        "", "\0", "x" * 3000, "99999999999999999999999", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00",
        f"{CANARY}'--", "\u202e", "\U0010ffff", "0001-01-01", "9999-12-31",
    ]  # fmt: skip
    at_once = asyncio.Semaphore(8)

    async def read(who: str, path: str, params: dict[str, str] | None, statuses: set[int]) -> None:
        async with at_once:
            answer = await world.call(who, "GET", path, params=params)
        if not answer.is_success and (found := faults(answer, statuses, "")):
            wrong.append(f"{path[:80]} {str(params)[:80]}: {found}")
        elif CANARY in answer.text:
            wrong.append(f"{path[:80]} {str(params)[:80]} repeats the input")

    reads = []
    for key, route in routes_of(world.app).items():
        if route is None or key[0] != "GET" or route.declaration.public:
            continue
        who, path = addressed(people, key)
        for name in known_names(route.dependant):
            reads += [read(who, path, {name: value}, {400, 404, 422}) for value in values]
        reads.append(read(who, path, {"zz": "x" * 9000}, {414}))
        for junk in (
            "%00",
            "x" * 300,
            f"{CANARY}",
            "external:",
            "external:%00",
            "lead_",
            "%F0%9F%98%80",
            "..%2f",
            "%ff",
        ):
            if "{" in key[1]:
                reads.append(read(who, PARAMETER.sub(junk, key[1]), None, {404, 422}))
    await asyncio.gather(*reads)
    assert not wrong, "\n".join(sorted(wrong))


@pytest.mark.parametrize(
    "key",
    ["Osaka", "-osaka", "o" * 65, "o%20saka", "o%C2%85saka", "o%F3%B7%AC%BAsaka", "%E5%A4%A7%E9%98%AA", "osaka%0A"],
)
async def test_a_calendar_that_cannot_have_its_key_is_not_valid(people: Population, untouched: None, key: str) -> None:
    body = {"time_zone": "Asia/Tokyo", "weekly": {"mon": ["09:00-12:00"]}}
    answer = await people.world.call("i_all", "PUT", f"/v1/calendars/{key}", body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/validation-failed")
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["in"], error["code"]) == ("/key", "path", "pattern")


@pytest.mark.parametrize(
    "accept", ["text/html;q=\xb2", "text/html;q=", "text/html;q=x, */*", ";;,,", "*/*;q=0.5;q=\xbd", "text/html;q=1.\xb3"]
)  # fmt: skip
async def test_an_unreadable_accept_header_breaks_nothing(people: Population, accept: str) -> None:
    headers = {"Accept": accept.encode("latin-1")}
    answer = await people.world.call("a_all", "GET", "/v1/programs/smb-inside-sales/playbook", headers=headers)
    assert answer.status_code in {200, 406}


# --- the token endpoint and imports, which take no JSON document


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_a_bad_form_is_refused_as_rfc_6749_says(people: Population, untouched: None, path: str) -> None:
    form = "application/x-www-form-urlencoded"
    for content, kind, statuses in (
        (b"", form, {400, 401}),
        (b"grant_type=client_credentials", form, {400, 401}),
        (f"grant_type={CANARY}&token={CANARY}".encode(), form, {400, 401}),
        (f"grant_type=client_credentials&grant_type={CANARY}&token=x&token=y".encode(), form, {400}),
        (f"client_id={CANARY}%00&client_secret=x&grant_type=client_credentials&token=x".encode(), form, {400, 401}),
        (b"client_id=%ff&client_secret=%ff&grant_type=client_credentials&token=x", form, {400, 401}),
        (b"a" * 300_000, form, {413}),
        (f'{{"x": "{CANARY}"}}'.encode(), "application/json", {400, 415}),
    ):
        answer = await people.world.http.post(path, content=content, headers={"content-type": kind})
        assert answer.status_code in statuses, (content[:60], answer.text)
        assert CANARY not in answer.text


async def test_bad_rows_of_an_import_are_refused_one_by_one_and_repeat_nothing(people: Population) -> None:
    world = people.world
    leads = await world.admin.fetchval("select count(*) from baton.lead")
    rows = [content for what, content in MALFORMED.items() if what not in {"UTF-16", "no UTF-8"}]
    rows += [b"[]", b"null", b'"x"', b'{"x": "kanarienvogel"}', b'{"external_id": "kanarien vogel"}']
    headers = {"content-type": "application/x-ndjson"}
    answer = await world.call("a_all", "POST", "/v1/lead-imports", content=b"\n".join(rows), headers=headers)
    assert answer.status_code == 201, answer.text
    counts = answer.json()
    assert (counts["received"], counts["refused"], counts["created"]) == (len(rows), len(rows), 0)
    results = await world.call("a_all", "GET", answer.headers["location"])
    assert CANARY not in results.text
    assert await world.admin.fetchval("select count(*) from baton.lead") == leads
    for bad in (
        {"content-type": "application/json"},
        {"content-type": "text/csv; charset=shift_jis"},
        {"content-type": "text/csv", "content-encoding": "gzip"},
    ):
        answer = await world.call("a_all", "POST", "/v1/lead-imports", content=b"x", headers=bad)
        assert faults(answer, {415}, "unsupported-media-type") == []
