"""Bad input to every route gets the problem that the contract names, repeats nothing of the input and leaves no trace."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any, Final

import httpx2
import pytest

from app.routers.edge import BodyKind
from app.routers.edge.query import known_names
from app.security.keyring import MasterKeys
from tests.isolation.population import Population, populate
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Key, Who, routes_of
from tests.world import a_world

CANARY: Final = "kanarienvogel"
KEY_CANARY: Final = "kanarienvogel key!"
_PARAMETER = re.compile(r"\{(\w+)\}")
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

Case = tuple[str, Awaitable[httpx2.Response], set[int], str]
"""What it is, the request, the statuses that are right, and the slug of the problem."""


@pytest.fixture(scope="module")
async def people(database_url: str, master_keys: MasterKeys) -> AsyncIterator[Population]:
    async with a_world(database_url, master_keys) as world:
        yield await populate(world)


@pytest.fixture
async def untouched(people: Population) -> AsyncIterator[None]:
    """Hold that a test leaves no trace in any table."""
    before = await people.world.tables()
    yield
    after = await people.world.tables()
    assert [table for table in before if before[table] != after[table]] == []


def addressed(people: Population, key: Key) -> tuple[str, str]:
    """Return a caller that a route is open to, and the route's path with ids of that caller's objects."""
    who = {Who.ADMIN: "i_all", Who.MANAGER: "i_all"}.get(ENTRIES[key].who, "a_all")
    held = {**people.objects["i"], **people.objects["a"]} if who == "i_all" else people.objects["a"]
    return who, _PARAMETER.sub(lambda match: PLAIN.get(match[1]) or held[KINDS[match[1]][0]], key[1])


def writing(people: Population) -> list[tuple[Key, Any]]:
    """Return every route that takes a JSON body and needs a token."""
    return [
        (key, route)
        for key, route in routes_of(people.world.app).items()
        if route is not None
        and key[0] in {"POST", "PATCH", "PUT"}
        and not route.declaration.public
        and route.declaration.body is BodyKind.JSON
    ]


async def send(people: Population, key: Key, content: Any, **options: Any) -> httpx2.Response:
    """Send raw bytes as the caller of a route, as JSON unless `options` say otherwise."""
    who, path = addressed(people, key)
    headers = {"content-type": "application/json"}
    if key[0] == "PATCH":
        headers["If-Match"] = '"1"'
    headers |= options.pop("headers", {})
    return await people.world.call(who, key[0], path, content=content, headers=headers, **options)


def faults(answer: httpx2.Response, statuses: set[int], slug: str) -> list[str]:
    """Return what is wrong with a refusal."""
    wrong = []
    if answer.status_code not in statuses:
        wrong.append(f"status {answer.status_code}")
    if answer.headers.get("content-type") != "application/problem+json; charset=utf-8":
        wrong.append(f"content type {answer.headers.get('content-type')}")
    elif slug and answer.json()["type"] != f"/problems/{slug}":
        wrong.append(answer.json()["type"])
    elif answer.json()["request_id"] != answer.headers["request-id"]:
        wrong.append("request_id")
    if CANARY in answer.text or CANARY in repr(answer.headers):
        wrong.append("the input is repeated")
    return [*wrong, answer.text[:300]] if wrong else []


async def refused(cases: list[Case]) -> None:
    """Send every case, eight at a time, and hold that each is refused as it should be."""
    at_once = asyncio.Semaphore(8)

    async def run(case: Case) -> str | None:
        name, request, statuses, slug = case
        async with at_once:
            wrong = faults(await request, statuses, slug)
        return f"{name}: {'; '.join(wrong)}" if wrong else None

    wrong = [line for line in await asyncio.gather(*map(run, cases)) if line]
    assert not wrong, "\n".join(wrong)


def named(key: Key, what: str) -> str:
    return f"{key[0]} {key[1]} {what}"


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


# --- wrong types, generated from the OpenAPI document


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _branches(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    schema = _resolved(document, schema)
    several = schema.get("anyOf") or schema.get("oneOf")
    return [one for part in several for one in _branches(document, part)] if several else [schema]


_SAMPLES: Final[dict[str, list[Any]]] = {
    "string": [CANARY], "integer": [12345], "number": [1.5], "boolean": [True], "array": [[CANARY]],
    "object": [{KEY_CANARY: CANARY}],
}  # fmt: skip
_COERCIBLE: Final[dict[str, list[Any]]] = {
    "integer": ["1", True], "number": ["1", True], "boolean": ["true", "yes", 1, 0], "string": [1, True],
    "array": ["a", {}], "object": [[]],
}  # fmt: skip
"""For each type, values of another that a lenient reader takes for it."""


def _types(branches: list[dict[str, Any]]) -> set[str]:
    found: set[str] = set()
    for branch in branches:
        kind = branch.get("type")
        found |= (
            {"string"} if "enum" in branch or "const" in branch else {kind} if isinstance(kind, str) else set(_SAMPLES)
        )
    return found | ({"integer"} if "number" in found else set())


def _fields(
    document: dict[str, Any], schema: dict[str, Any], depth: int = 0
) -> Iterator[tuple[tuple[str, ...], list[dict[str, Any]]]]:
    """Yield every member of a body, as a way of names, with the schemas that it may follow."""
    for branch in _branches(document, schema):
        for name, member in branch.get("properties", {}).items():
            branches = _branches(document, member)
            yield (name,), branches
            if depth < 3:
                for way, found in _fields(document, member, depth + 1):
                    yield (name, *way), found
        if branch.get("type") == "array" and depth < 4:
            for way, found in _fields(document, branch["items"], depth + 1):
                yield ("[]", *way), found


def _holding(way: tuple[str, ...], value: Any) -> Any:
    for name in reversed(way):
        value = [value] if name == "[]" else {name: value}
    return value


def bodies(people: Population, document: dict[str, Any]) -> Iterator[tuple[Key, tuple[str, ...], list[dict[str, Any]]]]:
    for key, _ in writing(people):
        operation = document["paths"][key[1]][key[0].lower()]
        content = operation.get("requestBody", {}).get("content", {})
        if content:
            for way, branches in _fields(document, next(iter(content.values()))["schema"]):
                yield key, way, branches


def valid(people: Population, key: Key) -> Any:
    """Return the body of the table with ids of A's objects."""
    text = json.dumps(ENTRIES[key].body)
    return json.loads(re.sub(r'"\$(\w+)"', lambda match: f'"{people.objects["a"][match[1]]}"', text))


async def _points_at(way: tuple[str, ...], request: Awaitable[httpx2.Response]) -> httpx2.Response:
    """Return the answer if it refuses the member at `way`; one that refuses something else counts as none."""
    answer = await request
    pointer = "/" + "/".join("0" if name == "[]" else name for name in way)
    pointed = [error["pointer"] for error in answer.json().get("errors", ())]
    if answer.status_code != 422 or any(one.startswith(pointer) for one in pointed):
        return answer
    return httpx2.Response(599, text=f"{pointer} is not among {pointed}")


def mistyped(people: Population, samples: dict[str, list[Any]], *, other: bool) -> list[Case]:
    """Return a request for every member of every body, with each sample of a type that is not (or is) the member's."""
    cases: list[Case] = []
    for key, way, branches in bodies(people, people.world.app.openapi()):
        allowed = _types(branches)
        for kind, values in samples.items():
            if (kind in allowed) == other or not (other or len(allowed - {"null"}) == 1):
                continue
            for value in values:
                content = json.dumps(_with(valid(people, key), way, value)).encode()
                request = _points_at(way, send(people, key, content))
                cases.append((named(key, f"{'/'.join(way)} = {value!r}"), request, {422}, "validation-failed"))
    return cases


async def test_a_value_of_the_wrong_type_is_not_valid_wherever_it_stands(people: Population, untouched: None) -> None:
    cases = mistyped(people, _SAMPLES, other=True)
    assert len(cases) > 600
    await refused(cases)


async def test_a_value_that_only_a_lenient_reader_takes_is_not_valid(people: Population, untouched: None) -> None:
    await refused(mistyped(people, _COERCIBLE, other=False))


_EXTREMES: Final = {
    "date": ["0001-01-01", "9999-12-31", "2026-02-30", f"2026-{CANARY}"],
    "date-time": [
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00",
        f"2026-{CANARY}", "2026-01-01T00:00:60Z",
    ],
    "integer": [2**63, -(2**63) - 1, 10**40, 0, -1],
    "number": [1e308, -1e308, 0],
    "array": [[], [None], [[]], [{}] * 300],
}  # fmt: skip
_TEXTS: Final = ["", "x" * 5_000, "\u202e\ufeff\u0001\x7f", "\U0010ffff", "../../etc/passwd", "America", "' or 1=1 --"]


def _extremes(branches: list[dict[str, Any]]) -> Iterator[Any]:
    for branch in branches:
        kind = branch.get("format") if branch.get("format") in _EXTREMES else branch.get("type")
        if kind == "string":
            yield from _TEXTS
        yield from _EXTREMES.get(str(kind), ())


def _with(body: Any, way: tuple[str, ...], value: Any) -> Any:
    """Return a valid body in which one member is replaced."""
    if not way:
        return value
    if way[0] == "[]":
        return [_with(body[0] if isinstance(body, list) and body else None, way[1:], value)]
    return {**(body if isinstance(body, dict) else {}), way[0]: _with((body or {}).get(way[0]), way[1:], value)}


async def test_what_is_refused_here_is_open_to_somebody(people: Population) -> None:
    """Or all these refusals would prove nothing."""
    shut: list[str] = []
    for key, _ in writing(people):
        if key[0] != "POST" or "{" not in key[1]:
            continue
        held = {**people.objects["i"], **people.objects["a"]}
        if "{endpoint}" in key[1] or "{delivery}" in key[1]:
            held = people.objects["a"]
        path = _PARAMETER.sub(lambda match, held=held: PLAIN.get(match[1]) or held[KINDS[match[1]][0]], key[1])
        body = valid(people, key)
        statuses = [(await people.world.call(who, "POST", path, body)).status_code for who in ("a_all", "i_all")]
        if set(statuses) <= {401, 403, 404}:
            shut.append(f"{named(key, '')}{statuses}")
    assert not shut, "\n".join(shut)


async def test_an_extreme_value_is_taken_or_refused_but_never_breaks_anything(people: Population) -> None:
    """Taken ones change something; what is refused is held to leave no trace by the other tests."""
    document = people.world.app.openapi()
    at_once = asyncio.Semaphore(8)

    async def run(key: Key, way: tuple[str, ...], value: Any) -> str | None:
        body = json.loads(
            re.sub(r'"\$(\w+)"', lambda match: f'"{people.objects["a"][match[1]]}"', json.dumps(ENTRIES[key].body))
        )
        async with at_once:
            content = json.dumps(_with(body, way, value)).encode()
            answer = await send(people, key, content, headers=await _tag(people, key))
        if answer.is_success:
            return None
        wrong = faults(answer, {400, 403, 404, 409, 412, 413, 422}, "")
        return f"{named(key, '/'.join(way))} = {str(value)[:40]}: {'; '.join(wrong)}" if wrong else None

    cases = [
        (key, way, value)
        for key, way, branches in bodies(people, document)
        for value in _extremes(branches)
        if not (key[1].startswith("/v1/clients") or key[1].startswith("/v1/partners"))
    ]
    assert len(cases) > 400
    wrong = sorted({line for line in await asyncio.gather(*(run(*case) for case in cases)) if line})
    assert not wrong, "\n".join(wrong)


async def _tag(people: Population, key: Key) -> dict[str, str]:
    """Return the If-Match that lets a PATCH through to its fields."""
    if key[0] != "PATCH":
        return {}
    who, path = addressed(people, key)
    return {"If-Match": (await people.world.call(who, "GET", path)).headers.get("etag", '"1"')}


# --- reading


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
                reads.append(read(who, _PARAMETER.sub(junk, key[1]), None, {404, 422}))
    await asyncio.gather(*reads)
    assert not wrong, "\n".join(sorted(wrong))


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
