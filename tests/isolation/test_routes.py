"""Every route against every kind of outsider: a foreign id is answered as one that names nothing, and nothing changes."""

from app.routers.edge.query import known_names
from tests.isolation.attacks import PARAMETER, attacks, launch, send, slots, told
from tests.isolation.population import INTERNAL_ROLES, Population
from tests.isolation.routes import ENTRIES, KINDS, PLAIN, Who, guarded, routes_of
from tests.world import random_id


async def test_every_route_is_in_the_table_and_opens_by_the_scopes_that_stand_there(people: Population) -> None:
    routes = routes_of(people.world.app)
    assert sorted(routes.keys() - ENTRIES.keys()) == []
    assert sorted(ENTRIES.keys() - routes.keys()) == []
    for key, route in routes.items():
        if route is not None:
            assert route.declaration.scopes == frozenset(ENTRIES[key].scopes.split()), key
            assert bool(route.declaration.public) == (ENTRIES[key].who is Who.EVERYBODY), key
            named = {name for name in known_names(route.dependant) if name in KINDS}
            assert named <= ENTRIES[key].query.keys(), key


async def test_a_foreign_id_is_answered_as_one_that_names_nothing_and_nothing_changes(people: Population) -> None:
    world = people.world
    before = await world.tables()
    tried, wrong = await launch(attacks(people))
    assert wrong == []
    assert tried > 300
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_its_owner_is_answered_otherwise(people: Population) -> None:
    """Or the answers about foreign ids would prove nothing. What posts do to an owner's object is tried elsewhere."""
    world = people.world
    for key, entry in guarded(world.app):
        names = [name for name in PARAMETER.findall(key[1]) if name not in PLAIN]
        if key[0] not in {"GET", "PATCH", "DELETE"} or not names:
            continue
        who = "a_all" if entry.who is Who.MEMBER else "i_all"
        held = people.objects["a"] if who == "a_all" else {**people.objects["a"], **people.objects["i"]}
        for kind in KINDS[names[0]]:
            others = {f"path:{name}": held[KINDS[name][0]] for name in names[1:] if name not in PLAIN}
            answer = await send(world, who, key, entry, {f"path:{names[0]}": held[kind], **others})
            assert answer.status_code in ({200} if key[0] == "GET" else {412, 422}), (key, kind, answer.text)


async def test_an_organisation_of_the_same_tenant_does_not_reach_a_partners_endpoints(people: Population) -> None:
    world = people.world
    for key, entry in guarded(people.world.app):
        for place, name, kinds in slots(key, entry):
            if place == "path" and name in {"endpoint", "delivery"}:
                real = people.objects["a"][kinds[0]]
                foreign = await send(world, "i_all", key, entry, {f"path:{name}": real})
                random = await send(world, "i_all", key, entry, {f"path:{name}": random_id(real)})
                assert told(foreign) == told(random), key
                assert foreign.status_code == 404, key


async def test_without_a_token_nothing_is_opened_and_nothing_is_said(people: Population) -> None:
    world = people.world
    for (method, path), _ in guarded(people.world.app):
        answer = await world.http.request(method, PARAMETER.sub("x", path))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == 'Bearer realm="baton"', (method, path)


async def test_a_token_without_the_scope_opens_nothing(people: Population) -> None:
    world = people.world
    narrow = {
        name: (await world.log_in("i_all", scope=name)).json()["access_token"] for name in ("kpis:read", "audit:read")
    }
    for key, entry in guarded(people.world.app):
        if not entry.scopes:
            continue
        token = narrow["audit:read" if entry.scopes == "kpis:read" else "kpis:read"]
        path = PARAMETER.sub("x", key[1])
        answer = await world.http.request(key[0], path, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/insufficient-scope"), key
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"], key


async def test_administration_is_closed_to_everybody_but_an_admin_of_the_tenant(people: Population) -> None:
    world = people.world
    scopes = sorted({scope for _, entry in guarded(people.world.app) for scope in entry.scopes.split()})
    roles = [role for role in INTERNAL_ROLES if role != "admin"]
    await world.add_client("no_admin", by="i_all", roles=roles, scopes=scopes)
    before = await world.tables()
    for key, entry in guarded(people.world.app):
        if entry.who not in {Who.ADMIN, Who.OWN_ADMIN}:
            continue
        objects = {**people.objects["i"], **people.objects["a"]}
        ids = {f"path:{name}": objects[KINDS[name][0]] for name in PARAMETER.findall(key[1]) if name not in PLAIN}
        for who in ("no_admin", "b_all") if entry.who is Who.ADMIN else ("no_admin",):
            answer = await send(world, who, key, entry, ids)
            slug = answer.json()["type"]
            allowed = {"/problems/not-permitted"} | ({"/problems/insufficient-scope"} if who == "b_all" else set())
            assert (answer.status_code, slug in allowed) == (403, True), (who, key, answer.text)
    after = await world.tables()
    assert [table for table in before if before[table] != after[table]] == []


async def test_a_method_is_the_one_of_the_request_line_and_no_header_overrides_it(people: Population) -> None:
    world = people.world
    path = f"/v1/leads/{people.objects['a']['lead']}"
    answer = await world.call("a_all", "GET", path, headers={"X-HTTP-Method-Override": "DELETE"})
    assert answer.status_code == 200
    for method in ("PUT", "DELETE", "POST"):
        answer = await world.call("a_all", method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH"), method
    assert (await world.call("a_all", "TRACE", path)).status_code == 405


async def test_an_idempotency_key_belongs_to_the_client_that_used_it(people: Population) -> None:
    world = people.world
    key = {"Idempotency-Key": "the-same"}
    body = {"kind": "context", "body": "x", "visibility": "shared"}
    ours = await world.call("a_all", "POST", f"/v1/leads/{people.objects['a']['lead']}/notes", body, headers=key)
    theirs = await world.call("b_all", "POST", f"/v1/leads/{people.objects['b']['lead']}/notes", body, headers=key)
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert "idempotent-replayed" not in theirs.headers
    assert ours.json()["id"] != theirs.json()["id"]


async def test_a_cursor_of_another_caller_is_no_better_than_a_made_up_one(people: Population) -> None:
    world = people.world
    tried = 0
    for key, entry in guarded(world.app):
        route = routes_of(world.app)[key]
        if route is None or "cursor" not in known_names(route.dependant) or entry.who is Who.ADMIN:
            continue
        ids = {name: people.objects["a"][KINDS[name][0]] for name in PARAMETER.findall(key[1])}
        path = PARAMETER.sub(lambda match, ids=ids: ids[match[1]], key[1])
        cursor = (await world.get("a_all", path, limit=1)).get("next_cursor")
        if cursor is None:
            continue
        foreign = await world.call("b_all", "GET", path, params={"limit": 1, "cursor": cursor})
        made_up = await world.call("b_all", "GET", path, params={"limit": 1, "cursor": cursor[::-1]})
        assert told(foreign) == told(made_up), key
        assert foreign.status_code == (404 if ids else 400), key
        tried += 1
    assert tried >= 3
