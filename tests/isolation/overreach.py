"""What a caller reaches and may still not do: the route and the object are its own, what it asks for goes too far.

The matrix cannot tell: it asks with requests that fit nobody. These fit, and must be answered 403 `not-permitted`.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

from tests.isolation.population import PARTNER_ROLES, Population, marked_lead

_Overreach = tuple[str, str, str, Any]
_REFUSED: Final = (403, "/problems/not-permitted")


async def arm(people: Population) -> None:
    """Give partner A an administrator that may only manage clients, and a test client that may do everything."""
    add = people.world.add_client
    await add("a_keeper", by="i_all", partner_of="a_all", roles=["admin"], scopes=["partners:manage"])
    await add("a_tester", by="i_all", partner_of="a_all", roles=PARTNER_ROLES, test=True)


def overreaches(people: Population) -> Iterator[_Overreach]:
    """Yield who asks, how, where and with what."""
    a = people.objects["a"]
    client, counts = f"/v1/clients/{a['client']}", f"/v1/programs/{a['program']}/call-counts/2026-11-04"
    yield "a_keeper", "POST", f"{client}/secrets", {}
    yield "a_all", "PATCH", client, {"limits": {"write": 1}}
    yield "i_technical", "POST", f"/v1/escalations/{a['escalation']}/acknowledge", {}
    yield "i_technical", "POST", f"/v1/escalations/{a['escalation']}/waive", {"reason": "x"}
    yield "i_technical", "POST", "/v1/leads", marked_lead("overreach", "mk-a-shared", "x") | {"partner": a["partner"]}
    yield "a_tester", "PUT", counts, {"calls": 4, "connected": 1}


async def gone_through(people: Population) -> list[str]:
    """Try all of them, and return those that were answered otherwise."""
    return [said for said in await asyncio.gather(*(_tried(people, *one) for one in overreaches(people))) if said]


async def _tried(people: Population, who: str, method: str, path: str, body: Any) -> str:
    headers: dict[str, str] = {}
    if method == "PATCH":
        headers["If-Match"] = (await people.world.call(who, "GET", path)).headers["etag"]
    answer = await people.world.call(who, method, path, body, headers=headers)
    if (answer.status_code, answer.json().get("type")) == _REFUSED:
        return ""
    return f"{who} {method} {path}: {answer.status_code} {answer.text[:200]}"
