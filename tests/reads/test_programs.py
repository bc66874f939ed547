"""Programs, the playbook in force, the form, daily totals of calls and calendars, as their members read them."""

from datetime import date
from uuid import uuid4

from app.domain.ids import Prefix, show
from tests.reads.world import PROGRAM, World, example

BASE = f"/v1/programs/{PROGRAM}"


async def test_a_partner_sees_its_programs_and_not_who_else_takes_part(world: World):
    hidden = uuid4()
    await world.insert(
        "program", id=hidden, key=f"p-{hidden.hex[:8]}", name="Other", status="active", calendar_id=world.calendar,
        version=1, created_at=await world.admin.fetchval("select now()"),
        updated_at=await world.admin.fetchval("select now()"),
    )  # fmt: skip
    a, client = world.actor(world.partner_a), world.actor()
    (own,) = await world.pages(a, "/v1/programs")
    assert (own["key"], own["calendar"]) == (PROGRAM, "tokyo")
    assert own["partners"] == [show(Prefix.ORGANIZATION, world.partner_a)]
    seen = await world.pages(client, "/v1/programs", limit=1)
    assert [one["key"] for one in seen] == [PROGRAM, f"p-{hidden.hex[:8]}"]
    assert set(seen[0]["partners"]) == {show(Prefix.ORGANIZATION, one) for one in (world.partner_a, world.partner_b)}
    answer = await world.send(client, "GET", f"/v1/programs/{own['id']}")
    assert (answer.json()["key"], answer.headers["etag"]) == (PROGRAM, '"1"')
    for what in ("", "/playbook", "/form"):
        assert (await world.send(a, "GET", f"/v1/programs/{show(Prefix.PROGRAM, hidden)}{what}")).status_code == 404


async def test_the_playbook_in_force_is_data_or_a_page_in_either_language(world: World):
    by = world.actor(world.partner_a)
    data = await world.get(by, f"{BASE}/playbook")
    assert (data["program"], data["version"], data["document"]) == (PROGRAM, 1, example("playbook.yaml"))
    page = await world.send(by, "GET", f"{BASE}/playbook", headers={"Accept": "text/markdown", "Accept-Language": "ja"})
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.headers["content-language"] == "ja"
    assert page.text.startswith("# プレイブック smb-inside-sales, 第1版\n")
    assert (
        "| 引き継ぎ: 営業代行パートナー から 社内営業 (比較・検討に入る) | 顧客が口にした課題は何ですか。;" in page.text
    )
    assert (
        "| First contact with the customer | owner | 480 business minutes |"
        in (
            await world.send(by, "GET", f"{BASE}/playbook", params={"lang": "en"}, headers={"Accept": "text/markdown"})
        ).text
    )
    html = await world.send(by, "GET", f"{BASE}/playbook", headers={"Accept": "text/html, application/json;q=0.5"})
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    assert html.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<td>Answer to a handover</td><td>receiver</td><td>240 business minutes</td>" in html.text
    assert (await world.send(by, "GET", f"{BASE}/playbook", headers={"Accept": "text/plain"})).status_code == 406


async def test_a_label_is_no_markup(world: World):
    by = world.actor(world.partner_b)
    playbook = example("playbook.yaml") | {"purpose": {"en": "<script>alert(1)</script> | *x*", "ja": "x"}}
    identity = uuid4()
    at = await world.admin.fetchval("select now()")
    await world.insert(
        "playbook", id=identity, program_id=world.program, version=9, status="in_force", document=playbook, comment="",
        proposed_by=world.tenant, proposed_at=at, in_force_at=at,
    )  # fmt: skip
    await world.admin.execute("update baton.program set playbook_id = $1 where id = $2", identity, world.program)
    try:
        html = (await world.send(by, "GET", f"{BASE}/playbook", headers={"Accept": "text/html"})).text
        text = (await world.send(by, "GET", f"{BASE}/playbook", headers={"Accept": "text/markdown"})).text
    finally:
        await world.admin.execute(
            "update baton.program set playbook_id = $1 where id = $2", world.playbook, world.program
        )
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert r"\<script\>alert(1)\</script\> \| \*x\*" in text


async def test_the_form_says_what_is_asked_when_and_what_it_opens(world: World):
    form = await world.get(world.actor(world.partner_a), f"{BASE}/form")
    fields = {field["pointer"]: field for field in form["fields"]}
    need = fields["/context/bant/need"]
    assert (need["label_ja"], need["asked_in"]) == ("必要性はどの程度明確ですか。", "awareness")
    assert {"code": "unknown", "label_en": "Not known", "label_ja": "不明"} in need["choices"]
    assert need["gates"] == [
        {"stage": "awareness", "command": "handover", "from": "partner", "to": "internal_sales"},
        {"stage": "evaluation", "command": "handover", "from": "partner", "to": "internal_sales"},
    ]
    assert fields["/context/pain_points"]["gates"][0] == {
        "stage": "awareness",
        "command": "advance",
        "to": "evaluation",
    }
    assert fields["/context/concerns"]["choices"] is None
    context = form["schema"]["properties"]["context"]["properties"]
    assert {"const": "hot", "title": "Hot", "x-title-ja": "高い"} in context["temperature"]["oneOf"]
    codes = {choice["const"] for choice in context["bant"]["properties"]["need"]["properties"]["value"]["oneOf"]}
    assert codes == {"unknown", "none", "latent", "recognised", "urgent"}
    pain = context["pain_points"]
    assert (pain["type"], pain["x-asked-in"]) == ("array", "awareness")
    assert len(pain["items"]["properties"]["category"]["oneOf"]) == 10
    assert "$ref" not in str(form["schema"])


async def test_calls_are_totals_of_an_organisation_and_a_day(world: World):
    a, b, client = world.actor(world.partner_a), world.actor(world.partner_b), world.actor()
    path = f"{BASE}/call-counts/2026-11-10"
    for calls in (50, 60):
        answer = await world.send(a, "PUT", path, json={"calls": calls, "connected": 7})
        assert answer.json() == {"program": PROGRAM, "date": "2026-11-10", "calls": calls, "connected": 7}
    kept = await world.admin.fetch("select partner_id, on_date, calls, connected from baton.call_count")
    assert [tuple(row) for row in kept] == [(world.partner_a, date(2026, 11, 10), 60, 7)]
    (item,) = (await world.get(b, "/v1/kpis/funnel"))["items"]
    assert item["calls"] == 0
    for caller, day, body, status in (
        (client, "2026-11-10", {"calls": 1, "connected": 0}, 403),
        (world.actor(world.partner_a, test=True), "2026-11-10", {"calls": 1, "connected": 0}, 403),
        (a, "2026-11-10", {"calls": 1, "connected": 2}, 422),
        (a, "2099-01-01", {"calls": 1, "connected": 0}, 422),
        (a, "yesterday", {"calls": 1, "connected": 0}, 404),
        (a, "2026-11-10", {"calls": 1, "connected": 0, "caller": "x"}, 422),
    ):
        answer = await world.send(caller, "PUT", f"{BASE}/call-counts/{day}", json=body)
        assert answer.status_code == status, answer.text


async def test_a_calendar_has_a_new_version_and_programs_run_on_it(world: World):
    admin = world.actor(None, "admin")
    calendar = example("calendar.yaml") | {"time_zone": "Asia/Seoul"}
    answer = await world.send(admin, "PUT", "/v1/calendars/tokyo", json=calendar)
    assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.text
    held = await world.admin.fetchrow(
        "select c.version, c.document->>'time_zone' as zone from baton.program p join baton.calendar c"
        " on c.id = p.calendar_id where p.id = $1",
        world.program,
    )
    assert tuple(held) == (2, "Asia/Seoul")
    (shown,) = (await world.get(admin, "/v1/calendars"))["items"]
    assert (shown["key"], shown["version"], shown["weekly"]) == ("tokyo", 2, calendar["weekly"])
    for body, pointer in (
        (calendar | {"time_zone": "Mars"}, "/time_zone"),
        (calendar | {"weekly": {"mon": ["09:00-12:00", "11:00-13:00"]}}, "/weekly/mon"),
        (calendar | {"weekly": {"mon": ["9-12"]}}, "/weekly/mon/0"),
        (calendar | {"weekly": {}}, "/weekly"),
        (calendar | {"closures": ["2026-02-30"]}, "/closures/0"),
    ):
        answer = await world.send(admin, "PUT", "/v1/calendars/tokyo", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    for caller in (world.actor(), world.actor(world.partner_a), world.actor(world.partner_a, "admin")):
        assert (await world.send(caller, "PUT", "/v1/calendars/tokyo", json=calendar)).status_code == 403
        assert (await world.send(caller, "GET", "/v1/calendars")).status_code == 403
