"""Runs the workloads and prints the table: `python -m bench [post list timing] [--rounds N] [--seconds S]`."""

import argparse
import asyncio
import os
import sys

from bench.report import Result, Sample, table
from bench.stack import Baton, BenchError
from bench.timing import timing
from bench.workloads import WORKLOADS, Workload, fill

TIMING = "timing"


async def _measure(workload: Workload, baton: Baton, rounds: int, seconds: float) -> Result:
    print(f"{workload.name}", flush=True)
    ours: list[Sample] = []
    theirs: list[Sample] = []
    try:
        await workload.start(baton)
        for number in range(1, rounds + 1):
            ours.append(await workload.on_baton(seconds, number))
            theirs.append(await workload.on_floor(seconds, number))
            note = f", {ours[-1].note}" if ours[-1].note else ""
            print(
                f"  round {number}: Baton {ours[-1].per_second:,.0f}/s, floor {theirs[-1].per_second:,.0f}/s{note}",
                flush=True,
            )
    finally:
        await workload.stop()
    return Result(workload.name, ours, theirs, workload.goal)


async def _run(names: list[str], rounds: int, seconds: float) -> None:
    baton = await Baton.start()
    try:
        connection = await baton.admin()
        settings = await connection.fetchrow(
            "select current_setting('server_version') as version, current_setting('fsync') as fsync,"
            " current_setting('synchronous_commit') as commit, current_setting('shared_buffers') as buffers"
        )
        await connection.close()
        print(
            f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, PostgreSQL {settings['version']}"
            f" (fsync {settings['fsync']}, synchronous_commit {settings['commit']}, {settings['buffers']} buffers);"
            f" {rounds} rounds of {seconds:g} s each, 16 connections, one API process, worker running\n"
        )
        await fill(baton)
        results = [await _measure(WORKLOADS[name], baton, rounds, seconds) for name in names if name != TIMING]
        if results:
            print(f"\n{table(results)}")
        if TIMING in names:
            print("\nmedians of what is somebody else's and of what does not exist", flush=True)
            for compared in await timing(baton):
                print(f"  {compared.line()}", flush=True)
    finally:
        await baton.stop()


def main() -> None:
    """Measure what the arguments name, all workloads by default."""
    parser = argparse.ArgumentParser(prog="bench", description="Measures Baton against its floors.")
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, TIMING, []], help="all by default")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0)
    args = parser.parse_args()
    try:
        asyncio.run(_run(args.workloads or [*WORKLOADS, TIMING], args.rounds, args.seconds))
    except BenchError as error:
        sys.exit(f"bench: {error}")


if __name__ == "__main__":
    main()
