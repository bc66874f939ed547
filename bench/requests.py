"""The requests of each workload as bytes, endless and each one new. Knows HTTP/1.1, not the network."""

import json
from collections.abc import Callable, Iterator
from itertools import count

PROGRAM = "smb-inside-sales"

_LEAD = {
    "program": PROGRAM,
    "external_id": "A-@SERIAL@",
    "company": {
        "name": "株式会社八雲台ネットワークス@SERIAL@",
        "corporate_number": "@NUMBER@",
        "domain": "c@SERIAL@.example",
        "phone": "03-@PHONE@",
        "industry": "it",
        "employees": "100-299",
    },
    "contact": {
        "name": "前田 浩二",
        "title": "代表取締役",
        "email": "u7a1@c@SERIAL@.example",
        "phone": "+819057396536",
        "role": "decision_maker",
    },
    "provenance": {
        "source_kind": "referral",
        "acquired_on": "2026-10-10",
        "appi_relation": "entrustment",
        "basis": "legitimate_interest",
    },
    "context": {
        "pain_points": [
            {"category": "speed", "note": "見積の社内承認に平均四日かかり、競合に先を越される"},
            {"category": "visibility", "note": "代理店の活動状況が週報でしか見えず、打ち手が一週間遅れる"},
        ],
        "expectations": "現場の入力を五分以内に収めたい",
        "temperature": "warm",
        "temperature_basis": "情報収集段階と明言",
        "bant": {
            "budget": {"value": "planned"},
            "authority": {"value": "decision_maker"},
            "need": {"value": "latent"},
            "timeline": {"value": "6_12m"},
        },
        "personality": "数字で判断される。結論から話すと早い",
        "concerns": ["費用対効果の説明"],
        "next_step": {"what": "見積前のヒアリング", "due_on": "2026-12-24"},
    },
    "test": False,
}
"""One lead with every field that a vendor sends, about 1.3 KB, as in `examples/`."""


def corporate_number(serial: int) -> str:
    """Return a corporate number with its check digit (9 less the weighted sum of the other twelve, modulo 9)."""
    digits = f"{serial % 10**12:012d}"
    weighted = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return f"{9 - weighted % 9}{digits}"


def post_lead(token: str, batch: int) -> Iterator[bytes]:
    """Yield posts of leads and companies that no other batch holds; a batch has at most a million."""
    template = json.dumps(_LEAD, ensure_ascii=False)
    for serial in count(batch * 1_000_000):
        filled = (
            template.replace("@SERIAL@", f"{serial:012d}")
            .replace("@NUMBER@", corporate_number(serial))
            .replace("@PHONE@", f"{serial % 10**8:08d}")
        )
        body = filled.encode()
        yield (
            f"POST /v1/leads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


def list_leads(token: str, batch: int) -> Iterator[bytes]:
    """Yield reads of the first page."""
    del batch
    request = f"GET /v1/leads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    while True:
        yield request


REQUESTS: dict[str, Callable[[str, int], Iterator[bytes]]] = {"post_lead": post_lead, "list_leads": list_leads}
