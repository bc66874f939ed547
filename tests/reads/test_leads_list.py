"""The list of leads: pages that neither skip nor repeat, filters, and what a caller cannot see."""

import asyncio

import pytest

from tests.reads.world import World, lead


async def test_a_list_is_read_in_pages(world: World):
    by = world.actor(world.partner_a)
    posted = [lead(await world.post(by, f"P-{n}", name="Paging KK")) for n in range(5)]
    first = await world.send(by, "GET", "/v1/leads", params={"limit": 3, "company": "paging"})
    assert [item["id"] for item in first.json()["items"]] == posted[:1:-1]
    link = first.headers["link"]
    assert link.startswith("</v1/leads?company=paging&limit=3&cursor=")
    assert link.endswith('>; rel="next"')
    second = await world.send(by, "GET", link[1 : link.index(">")])
    assert [item["id"] for item in second.json()["items"]] == posted[1::-1]
    assert second.json()["next_cursor"] is None
    assert "link" not in second.headers


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "updated_at", "-due_at", "due_at"])
async def test_what_was_there_is_seen_once_while_others_post(world: World, sort: str):
    """Rows that commit while a list is walked may appear or not; what was there before appears exactly once."""
    by, name = world.actor(world.partner_b), f"Crowd{sort}"
    before = {lead(await world.post(by, f"C{sort}-{n}", name=name)) for n in range(23)}
    await world.admin.execute(
        "update baton.lead set due_at = '2026-12-01Z' where partner_id = $1 and n % 3 = 0", world.partner_b
    )
    done = asyncio.Event()

    async def crowd(writer: int) -> None:
        for n in range(200):
            if done.is_set():
                return
            await world.post(world.actor(world.partner_b), f"X{sort}-{writer}-{n}", name=name)

    crowds = [asyncio.create_task(crowd(writer)) for writer in range(3)]
    seen = [item["id"] for item in await world.pages(by, "/v1/leads", company=name, limit=3, sort=sort)]
    done.set()
    await asyncio.gather(*crowds)
    assert before <= set(seen)
    assert len(seen) == len(set(seen))


async def test_leads_with_nothing_due_come_last_in_either_direction(world: World):
    by = world.actor(world.partner_a)
    leads = [await world.post(by, f"D-{n}", name="期限株式会社") for n in range(4)]
    for identity, due in zip(leads, ("2026-12-02Z", None, "2026-12-01Z", None), strict=True):
        await world.admin.execute("update baton.lead set due_at = $2::text::timestamptz where id = $1", identity, due)
    shown = [lead(identity) for identity in leads]
    up = [one["id"] for one in await world.pages(by, "/v1/leads", sort="due_at", limit=1, company="期限")]
    down = [one["id"] for one in await world.pages(by, "/v1/leads", sort="-due_at", limit=1, company="期限")]
    assert up[:2] == [shown[2], shown[0]]
    assert down[:2] == [shown[0], shown[2]]
    assert set(up[2:]) == set(down[2:]) == {shown[1], shown[3]}
    soon = await world.get(by, "/v1/leads", due_before="2026-12-01T12:00:00Z", sort="due_at")
    assert [one["id"] for one in soon["items"] if one["id"] in shown] == [shown[2]]


async def test_a_cursor_opens_for_its_client_and_filter_only(world: World):
    by, colleague = world.actor(world.partner_a), world.actor(world.partner_a)
    for n in range(3):
        await world.post(by, f"K-{n}", name="カーソル")
    cursor = (await world.get(by, "/v1/leads", limit=1, company="カーソル"))["next_cursor"]
    assert (await world.get(by, "/v1/leads", limit=2, company="カーソル", cursor=cursor))["items"]
    for caller, params in (
        (colleague, {"company": "カーソル"}),
        (by, {"company": "カーソル", "status": "open"}),
        (by, {}),
        (by, {"company": "カーソル", "sort": "created_at"}),
    ):
        answer = await world.send(caller, "GET", "/v1/leads", params={"cursor": cursor, "limit": 1, **params})
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/invalid-cursor")
    for wrong in ("", "x", cursor[:-2] + "AA", "a" * 3000):
        answer = await world.send(by, "GET", "/v1/leads", params={"cursor": wrong, "company": "カーソル"})
        assert answer.status_code == (200 if wrong == "" else 400), wrong


async def test_the_limit_is_at_most_100_and_at_least_1(world: World):
    by = world.actor(world.partner_a)
    assert (await world.send(by, "GET", "/v1/leads", params={"limit": 100_000})).status_code == 200
    for limit in (0, -1, "x"):
        answer = await world.send(by, "GET", "/v1/leads", params={"limit": limit})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/limit")


async def test_test_leads_are_apart(world: World):
    by, sandbox = world.actor(world.partner_a), world.actor(world.partner_a, test=True)
    real = lead(await world.post(by, "T-1", name="試験"))
    flagged = lead(await world.post(by, "T-2", name="試験", test=True))
    tried = lead(await world.post(sandbox, "T-3", name="試験"))
    assert [one["id"] for one in await world.pages(by, "/v1/leads", company="試験")] == [real]
    assert [one["id"] for one in await world.pages(by, "/v1/leads", company="試験", test="true")] == [tried, flagged]
    assert [one["id"] for one in await world.pages(sandbox, "/v1/leads", company="試験")] == [tried, flagged]


async def test_partners_see_their_own_leads_and_the_client_all(world: World):
    a, b, client = world.actor(world.partner_a), world.actor(world.partner_b), world.actor()
    of_a, of_b = lead(await world.post(a, "V-1", name="可視")), lead(await world.post(b, "V-1", name="可視"))
    assert [one["id"] for one in await world.pages(a, "/v1/leads", company="可視")] == [of_a]
    assert [one["id"] for one in await world.pages(b, "/v1/leads", company="可視")] == [of_b]
    assert [one["id"] for one in await world.pages(client, "/v1/leads", company="可視")] == [of_b, of_a]


@pytest.mark.parametrize(
    "q",
    ["株式会社検索", "ｹﾝｻｸ", "検索対象", "Q-1.x", "7999901000001", "https://www.kensaku.example/", "03-1234-5678"],
)
async def test_q_finds_a_name_by_its_start_and_all_else_exactly(world: World, q: str):
    by = world.actor(world.partner_a)
    company = {"corporate_number": "7999901000001", "domain": "kensaku.example", "phone": "+81312345678"}
    name = "ケンサク工業" if q == "ｹﾝｻｸ" else "検索対象株式会社"
    mark = "Q-1.x" if q == "Q-1.x" else f"Q-{q.encode().hex()[:40]}"
    wanted = lead(await world.post(by, mark, name=name, company=company))
    await world.post(by, f"N-{q.encode().hex()[:40]}", name="無検索株式会社")
    found = [one["id"] for one in await world.pages(by, "/v1/leads", q=q)]
    assert wanted in found
    assert all("無検索" not in one["company"]["name"] for one in (await world.get(by, "/v1/leads", q=q))["items"])


async def test_q_is_no_pattern(world: World):
    by = world.actor(world.partner_a)
    await world.post(by, "W-1", name="百パーセント株式会社")
    for q in ("%", "_", "*", "株式会社", "' or true --"):
        assert (await world.get(by, "/v1/leads", q=q))["items"] == [], q


async def test_filters_narrow_the_list(world: World):
    by = world.actor(world.partner_a)
    one, two = [await world.post(by, f"F-{n}", name="絞込") for n in range(2)]
    await world.admin.execute(
        "update baton.lead set status = 'open', stage = 'evaluation', updated_partner = '2031-01-01Z',"
        " updated_internal = '2032-01-01Z' where id = $1",
        two,
    )
    for params, expected in (
        ({"status": "open"}, [two]), ({"stage": "evaluation"}, [two]), ({"owner_role": "partner"}, [two, one]),
        ({"owner_role": "manager"}, []), ({"program": "smb-inside-sales"}, [two, one]), ({"program": "x"}, []),
        ({"external_id": "F-0"}, [one]), ({"updated_since": "2031-01-01T00:00:00Z"}, [two]),
        ({"updated_since": "2031-01-01T00:00:01Z"}, []),
    ):  # fmt: skip
        found = await world.pages(by, "/v1/leads", company="絞込", **params)
        assert [item["id"] for item in found] == [lead(identity) for identity in expected], params
    client = world.actor()
    since = "2031-06-01T00:00:00Z"
    assert [item["id"] for item in await world.pages(client, "/v1/leads", updated_since=since)] == [lead(two)]
    for params in ({"status": "lost"}, {"updated_since": "2031-01-01"}, {"sort": "name"}, {"page": 2}):
        assert (await world.send(by, "GET", "/v1/leads", params=params)).status_code == 422
