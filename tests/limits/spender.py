"""One process of several that spend the same client's permits: reads what to do from standing input, prints a count."""

import asyncio
import json
import sys
import time
from uuid import UUID

from app.db.session import Address, Database, Login
from app.domain.errors import RateLimitedError
from app.domain.limits import Policy
from app.services.limiter import Limiter


async def main() -> None:
    given = json.loads(sys.stdin.read())
    client = UUID(given["client"])
    database = Database(Address(given["url"], {Login.AUTH: given["password"]}), {Login.AUTH: 4})
    await database.start()
    limiter = Limiter(database, dict.fromkeys(Policy, given["quota"]))
    await asyncio.sleep(given["at"] - time.time())
    passed = refused = 0
    while refused < 3:
        try:
            if limiter.spend(Policy.WRITE, client) is None:
                await limiter.ask(Policy.WRITE, client)
            passed += 1
            await asyncio.sleep(0)
        except RateLimitedError:
            refused += 1
            await asyncio.sleep(0.05)
    await limiter.stop()
    await database.stop()
    print(passed)


asyncio.run(main())
