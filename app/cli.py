"""The command `baton`, a composition root: reads settings, starts what is asked for, one clear line on trouble."""

import argparse
import asyncio
import gc
import json
import os
import signal
import socket
import sys
import zoneinfo
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from app.settings import Settings, SettingsError, read_settings


def _fail(message: str) -> NoReturn:
    print(f"baton: {message}", file=sys.stderr)
    raise SystemExit(1)


def _up(settings: Settings, args: argparse.Namespace) -> None:
    from app.up import up  # noqa: PLC0415  # a command loads only what it runs

    up(settings, demo=args.demo)


def _api(settings: Settings, args: argparse.Namespace) -> None:
    import uvicorn  # noqa: PLC0415

    from app.logs import configure  # noqa: PLC0415
    from app.main import create_app, logins  # noqa: PLC0415
    from app.up import require_database  # noqa: PLC0415

    require_database(settings, logins(settings))
    configure(settings.log_format)
    app = create_app(settings)
    _spare_the_collector()
    listener = socket.socket(fileno=args.fd) if args.fd is not None else None
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=32 * 1024,
        proxy_headers=False,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(uvicorn.Server(config).serve([listener] if listener else None))


def _worker(settings: Settings, args: argparse.Namespace) -> None:
    del args
    from app.logs import configure  # noqa: PLC0415
    from app.up import require_database  # noqa: PLC0415
    from app.worker import LOGINS, run  # noqa: PLC0415

    require_database(settings, LOGINS)
    configure(settings.log_format)
    _spare_the_collector()

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await run(settings, stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _spare_the_collector() -> None:
    """Leave what is loaded now out of every collection, and collect seldom: hardly anything here is cyclic."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # absent on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _migrate(settings: Settings, args: argparse.Namespace) -> None:
    del args
    from app.db.migrate import migrate  # noqa: PLC0415
    from app.up import administrator_url, passwords_of  # noqa: PLC0415

    url = administrator_url(settings)
    asyncio.run(migrate(url, passwords_of(settings), test_clock=settings.test_clock))


def _tenant_create(settings: Settings, args: argparse.Namespace) -> None:
    from app.up import create_tenant  # noqa: PLC0415

    made = asyncio.run(create_tenant(settings, args.key, args.name))
    if args.json:
        print(json.dumps(made))
    else:
        for name, value in made.items():
            print(f"{name}: {value}")


def _openapi(args: argparse.Namespace) -> None:
    del args
    from app.openapi import document_text  # noqa: PLC0415

    print(document_text(), end="")


def _playbook_lint(args: argparse.Namespace) -> None:
    from app.playbook_file import lint  # noqa: PLC0415

    faults = lint(Path(args.file))
    for fault in faults:
        print(f"{fault.path}: {fault.en} / {fault.ja} [{fault.rule}]")
    if faults:
        raise SystemExit(1)
    print(f"{args.file}: no faults")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="baton", description="Leads handed over, never ownerless, never silent.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="API, worker and, without BATON_DATABASE_URL, an embedded PostgreSQL")
    up.add_argument("--demo", action="store_true", help="seed the demo tenants and write demo.json")
    up.set_defaults(run=_up)
    api = commands.add_parser("api", help="one API process against BATON_DATABASE_URL")
    api.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    api.set_defaults(run=_api)
    commands.add_parser("worker", help="one worker process against BATON_DATABASE_URL").set_defaults(run=_worker)
    commands.add_parser("migrate", help="create roles and schema, or upgrade them").set_defaults(run=_migrate)
    tenant = commands.add_parser("tenant", help="tenants").add_subparsers(dest="action", required=True)
    create = tenant.add_parser("create", help="create a tenant and its first admin client")
    create.add_argument("--key", required=True)
    create.add_argument("--name", required=True)
    create.add_argument("--json", action="store_true")
    create.set_defaults(run=_tenant_create)
    commands.add_parser("openapi", help="print the OpenAPI document").set_defaults(plain=_openapi)
    playbook = commands.add_parser("playbook", help="playbooks").add_subparsers(dest="action", required=True)
    lint = playbook.add_parser("lint", help="check a playbook file")
    lint.add_argument("file")
    lint.set_defaults(plain=_playbook_lint)
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; exit status 1 with one line on standard error when it cannot."""
    os.environ["PYTHONTZPATH"] = ""  # the pinned tzdata, not the machine's (escalation.md 3, trap 2); for children too
    zoneinfo.reset_tzpath(to=())
    args = _parser().parse_args(argv)
    if "plain" in args:
        args.plain(args)
        return
    try:
        settings = read_settings()
    except SettingsError as error:
        _fail(str(error))
    from app.db.migrate import MigrationError  # noqa: PLC0415
    from app.processes.errors import EmbeddedDatabaseError  # noqa: PLC0415
    from app.up import StartError  # noqa: PLC0415

    try:
        args.run(settings, args)
    except (MigrationError, EmbeddedDatabaseError, StartError) as error:
        _fail(str(error))


if __name__ == "__main__":
    main()
