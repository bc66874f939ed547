"""Shows the sandbox: `python -m examples.sandbox [SCENARIO]` posts a test lead to the Baton of `make run` and has the
other side played; every webhook that arrives is verified and printed.

It waits for Baton to serve and ends when whoever started it has. Exit status 1 when something did not arrive.
"""

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import Any

import httpx2

from examples.demo.api import Caller, UnexpectedError, until
from examples.demo.receivers import Receiver

SCENARIOS = ("accepted", "rejected", "returned", "won", "lost", "pending", "ignored", "not_accepted")
PATIENCE_S = 90
LEAD = {
    "program": "smb-inside-sales",
    "company": {"name": "株式会社サンドボックス"},
    "provenance": {
        "source_kind": "outbound_list",
        "acquired_on": "2026-11-01",
        "appi_relation": "entrustment",
        "basis": "legitimate_interest",
    },
    "context": {
        "pain_points": [{"category": "process", "note": "引き継ぎが属人化している"}],
        "expectations": "商談前に経緯を知りたい",
        "temperature": "hot",
        "bant": {
            "need": {"value": "recognised"},
            "authority": {"value": "decision_maker"},
            "timeline": {"value": "3_6m"},
        },
    },
    "test": True,
}


def say(text: str) -> None:
    """Print one line."""
    print(f"sandbox: {text}", flush=True)


def read(path: Path) -> dict[str, Any]:
    """Return demo.json. Raises OSError where Baton has not written it yet."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


async def serving(path: Path, parent: int) -> dict[str, Any] | None:
    """Return demo.json once Baton serves; None when it does not within the patience, or was given up."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S and os.getppid() == parent:
        try:
            known = read(path)
            async with httpx2.AsyncClient(base_url=known["base_url"], timeout=2) as http:
                if (await http.get("/health/ready")).status_code == 200:
                    return known
        except (OSError, ValueError, httpx2.HTTPError):
            pass
        await asyncio.sleep(0.3)
    return None


def told(body: dict[str, Any]) -> str:
    """Return what an event says, in a few words."""
    data = body["data"]
    if "outcome" in data:
        reason = data["outcome"]["reason"]
        return f"{data['outcome']['result']}, {reason['label_en']} / {reason['label_ja']}"
    for name, member in (("handover", "status"), ("owner", "role"), ("decision", "reason")):
        if isinstance(data.get(name), dict):
            return str(data[name].get(member) or "")
    return str(data.get("to") or data.get("status") or "")


async def show(known: dict[str, Any], scenario: str) -> None:
    """Play one scenario and print what the vendor's endpoint gets."""
    name = "partner_a_test" if "partner_a_test" in known["clients"] else "partner_a"
    receiver = Receiver("Vendor A")
    await receiver.start()
    async with httpx2.AsyncClient(base_url=known["base_url"], timeout=30) as http:
        vendor = Caller(name, http)
        await vendor.log_in(**known["clients"][name])
        wanted = {"url": receiver.url, "event_types": ["*"], "test": True, "description": "examples.sandbox"}
        made = await vendor.post("/v1/webhook-endpoints", wanted, expect=201)
        receiver.knows(made.body["secret"])
        try:
            external_id = f"S-{secrets.token_hex(3)}"
            lead = (await vendor.post("/v1/leads", {**LEAD, "external_id": external_id}, expect=201)).body
            say(f"{name} posts the test lead {external_id} and plays `{scenario}`: nobody else is needed")
            await vendor.post(f"/v1/test/leads/{lead['id']}/play", {"scenario": scenario})

            async def arrived() -> list[dict[str, Any]]:
                bodies = [one.body for one in receiver.deliveries]
                return [body for body in bodies if body["data"].get("external_id") == external_id]

            told_of = (await vendor.get(f"/v1/leads/{lead['id']}/timeline?limit=100")).body["items"]
            bodies = await until("the webhooks", arrived, lambda found: len(found) >= len(told_of))
            for body in sorted(bodies, key=lambda body: body["sequence"]):
                test = json.dumps(body["data"]["test"])
                say(f"<- {body['type']:<20} signature verified, test: {test}  {told(body)}")
        finally:
            path = f"/v1/webhook-endpoints/{made.body['id']}"
            tag = (await vendor.get(path)).headers["etag"]
            await vendor.send("DELETE", path, expect=204, headers={"If-Match": tag})
            await receiver.stop()
    say(f"play another: .venv/bin/python -m examples.sandbox {'won' if scenario != 'won' else 'ignored'}")


def main() -> int:
    """Run; returns the exit status."""
    parser = argparse.ArgumentParser(description="Play one scenario of the sandbox.")
    parser.add_argument("scenario", nargs="?", choices=SCENARIOS, default="lost")
    scenario = parser.parse_args().scenario

    async def run() -> int:
        path = Path(os.environ.get("BATON_DATA_DIR", ".baton")) / "demo.json"
        known = await serving(path, os.getppid())
        if known is None:
            say("Baton does not serve")
            return 1
        await show(known, scenario)
        return 0

    try:
        return asyncio.run(run())
    except UnexpectedError as error:
        say(f"{error.what}: expected {error.expected}, came {error.came}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
