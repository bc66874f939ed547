"""Debian's PgBouncer as a child process: transaction mode, one server connection for each login."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from app.db.session import Login

BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
ABSENT = "PgBouncer is not installed (apt-get install pgbouncer)"

_SETTINGS = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 1
max_client_conn = 200
query_wait_timeout = 60
"""


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@contextmanager
def a_pooler(database_url: str, passwords: Mapping[Login, str]) -> Iterator[str]:
    """Run PgBouncer before the server of `database_url`; the URL that goes through it, without a login."""
    assert BINARY is not None
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    folder = Path(tempfile.mkdtemp(prefix="baton-pooler-", dir="/tmp"))
    folder.chmod(0o755)
    port = _free_port()
    users = "".join(f'"{login.user}" "{password}"\n' for login, password in passwords.items())
    (folder / "users.txt").write_text(users)
    settings = _SETTINGS.format(host=query["host"][0], server_port=query["port"][0], port=port, folder=folder)
    (folder / "pgbouncer.ini").write_text(settings)
    user = "nobody" if os.getuid() == 0 else None  # it refuses to run as root
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [BINARY, str(folder / "pgbouncer.ini")], user=user, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        _answering(running, port, folder / "log")
        yield f"postgresql://127.0.0.1:{port}{parts.path}"
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(10)
        shutil.rmtree(folder)


def _answering(running: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    for _ in range(200):
        assert running.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.025)
        else:
            return
    raise AssertionError(log.read_text())
