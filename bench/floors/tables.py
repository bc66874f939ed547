"""The floors' own tables in the schema `floor`: Baton's columns, indexes and checks, no policies, no foreign keys."""

import asyncpg

_READ = ("lead", "contact", "assignment", "annotation", "claim", "claimed_lead")
_WRITTEN = ("ownership", "adjudication", "event", "outbox")


async def make(connection: asyncpg.Connection) -> None:
    """Make the tables anew and copy what Baton holds into those that are read."""
    await connection.execute("drop schema if exists floor cascade; create schema floor")
    for table in (*_READ, *_WRITTEN):
        await connection.execute(f"create table floor.{table} (like baton.{table} including all)")
    for table in _READ:
        await connection.execute(f"insert into floor.{table} overriding system value select * from baton.{table}")
    await connection.execute("vacuum analyze")
