"""Whatever is sent: no 5xx, no status, header or body that the document does not describe. `make fuzz` sends 20,000."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from app.security.keyring import MasterKeys
from tests.fuzz.campaign import Target, run
from tests.isolation.population import populate
from tests.world import World, a_world

CASES = int(os.environ.get("FUZZ_CASES", "250"))
SEED = int(os.environ.get("FUZZ_SEED", "20261121"))
CALLERS = ("a_all", "b_all", "i_all", "i2_all")


@pytest.fixture
async def world(database_url: str, master_keys: MasterKeys) -> AsyncIterator[World]:
    async with a_world(database_url, master_keys) as held:
        yield held


@pytest.mark.timeout(3600)
async def test_no_request_is_answered_other_than_described(world: World):
    people = await populate(world)
    spare = await world.post("i_all", "/v1/partners", {"key": "spare", "name": "Spare"}, status=201)
    real: dict[str, list[str]] = {}
    for held in people.objects.values():
        for kind, value in held.items():
            real.setdefault(kind, []).append(value)
    real |= {
        "lead": real["lead"] + real["lead_external"] + real["lead_closed"] + real["lead_plain"],
        "handover": real["handover"] + real["handover_accepted"], "handover_id": real["handover_accepted"],
        "partner": [spare["id"]], "program": [*real["program_key"], *real["program"], "smb-inside-sales"],
        "playbook": real["playbook"] + real["playbook_open"], "against": real["playbook"],
        "lead_import": real["import"], "endpoint_id": real["endpoint"], "destination_id": real["destination"],
        "key": ["osaka"], "day": ["2026-11-02"], "slug": ["not-found"],
        "to_role": ["internal_sales", "partner"], "role": ["technical"], "to": ["evaluation", "negotiation"],
        "result": ["lost", "pending", "won"], "reason": ["price", "meeting_not_held", "no_fit"],
    }  # fmt: skip
    loop = asyncio.get_running_loop()

    def token(who: str) -> str:
        return asyncio.run_coroutine_threadsafe(world.token(who), loop).result()

    target = Target(str(world.http.base_url).rstrip("/"), CALLERS, token, real)
    document = (await world.http.get("/openapi.json")).json()
    report = await asyncio.to_thread(run, target, document, CASES, SEED)
    print("\n".join(report.lines()))
    assert not report.faults, "\n".join(report.lines())
    assert report.cases >= CASES
    assert report.answered[200] + report.answered[201] > report.cases / 20
    assert report.answered[401] < report.cases / 50
    for name in CALLERS:
        assert (await world.call(name, "GET", "/v1/me")).status_code == 200, f"{name} was locked out on the way"
