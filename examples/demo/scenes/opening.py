"""Scene 1: everybody comes in by the front door. Tokens, the agreed rules, and where each side wants to be told."""

from typing import Any

from examples.demo import plan
from examples.demo.api import UnexpectedError, until
from examples.demo.receivers import Receiver
from examples.demo.scenes.closures import feed_of
from examples.demo.world import World

_WHO = ("partner_a", "partner_b", "sales", "success", "manager", "admin")


async def play(world: World) -> None:
    """Log everybody in, read the rules, register the receivers."""
    show = world.show
    show.scene("1  Everybody comes in by the front door", "開始", "OAuth 2 tokens, one organisation each")
    morning, skipped = world.clock.next_morning()
    why = f"closed before: {', '.join(skipped)}" if skipped else "business opens at 09:00 in Tokyo"
    await world.move_to(morning, why)
    wrong = await world.caller("partner_a").log_in(world.clients["partner_a"]["client_id"], "not-the-secret")
    show.check(
        "Vendor A",
        "asks for a token with a wrong secret",
        (401, "invalid_client"),
        (wrong.status, wrong.body.get("error")),
    )
    for name, caller in world.callers.items():
        answer = await caller.log_in(**world.clients[name])
        if answer.status != 200:
            raise UnexpectedError(f"{name}: POST /oauth/token", "200", f"{answer.status} {answer.body}")
        if name in _WHO:
            me = (await caller.get("/v1/me")).body
            caller.organization = me["organization"]["id"]
            came = f"{me['organization']['name']}, {'/'.join(me['roles'])}"
            show.step(
                caller.name,
                "gets a token",
                came,
                f"ES256, {answer.body['expires_in'] // 60} min, {len(caller.scopes)} scopes",
            )
    await show.attempt(_rules(world))
    for vendor, receiver in (("partner_a", world.receiver_a), ("partner_b", world.receiver_b)):
        await show.attempt(_receiver(world, vendor, receiver))
    await show.attempt(_private(world))
    await show.attempt(_on_call(world))


async def _rules(world: World) -> None:
    rules = (await world.caller("partner_a").get(f"/v1/programs/{plan.PROGRAM}/playbook")).body
    why = "agreed to by the client and both vendors"
    world.show.check("Vendor A", "reads the playbook in force; its version", 1, rules.get("version"), why)


async def _receiver(world: World, vendor: str, receiver: Receiver) -> None:
    caller = world.caller(vendor)
    body = {"url": receiver.url, "event_types": ["*"], "description": "the demo's receiver", "signature": "v1"}
    made = (await caller.post("/v1/webhook-endpoints", body, expect=201)).body
    receiver.knows(made["secret"])
    world.before[vendor] = len(await feed_of(caller))

    async def read() -> dict[str, Any]:
        return (await caller.get(f"/v1/webhook-endpoints/{made['id']}")).body

    active = await until(f"{caller.name}: its endpoint is let in", read, lambda found: found["status"] == "active")
    why = "let in by its first signed test, answered with 2xx"
    world.show.step(caller.name, f"registers its receiver {receiver.url}", active["status"], why)


async def _private(world: World) -> None:
    inside = {"url": "http://169.254.169.254/latest/meta-data", "event_types": ["*"], "signature": "v1"}
    answer = await world.caller("partner_b").post("/v1/webhook-endpoints", inside, expect=None)
    what, why = f"registers {inside['url']}", "Baton posts to no private address"
    world.show.refusal("Vendor B", what, "422 url-refused", answer, why)


async def _on_call(world: World) -> None:
    config = {"url": world.on_call.url}
    body = {"kind": "webhook", "name": "on-call", "config": config, "key_mode": "escalation"}
    made = (await world.caller("admin").post("/v1/destinations", body, expect=201)).body
    world.on_call.knows(made["secret"])
    await world.caller("admin").post(f"/v1/destinations/{made['id']}/test", expect=(200, 201, 202))

    async def arrived() -> int:
        return len(world.on_call.deliveries)

    await until("a test reaches the on-call tool", arrived, bool)
    why = "a destination of kind webhook, signed like the vendors' own"
    world.show.step("Admin", "connects the on-call tool and tests it", "arrived", why)
