"""A worker process to be killed: reads what it works with as JSON from its standard input."""

import asyncio
import json
import sys
from ipaddress import ip_network

from app.db.session import Address, Database, Login
from app.security.keyring import MasterKeys
from app.workers.main import Surroundings, run


async def main() -> None:
    given = json.load(sys.stdin)
    address = Address(given["url"], {Login(name): word for name, word in given["passwords"].items()})
    database = Database(address, {Login.WORKER: 4})
    await database.start()
    keys = MasterKeys.read(given["master_key"])
    await run(Surroundings(database, address, keys, (ip_network("127.0.0.0/8"),)), asyncio.Event())


asyncio.run(main())
