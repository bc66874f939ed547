"""A place that the server's account can enter, also for root: pytest's own folders are closed to others."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.processes.postgres import EmbeddedPostgres


def open_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="baton-test-", dir="/tmp"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
def place() -> Iterator[Path]:
    folder = open_folder()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def made_once() -> Iterator[Path]:
    """A data directory with an empty cluster, to be copied where the making is not what is tested."""
    folder = open_folder()
    database = EmbeddedPostgres(folder / "data", settings={"fsync": "off"})
    database.start()
    database.stop()
    yield folder / "data"
    shutil.rmtree(folder)


@pytest.fixture
def data(place: Path, made_once: Path) -> Path:
    subprocess.run(["cp", "-a", made_once, place / "data"], check=True)
    return place / "data"


@pytest.fixture
def embedded(place: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Make databases that are stopped at the end, quick rather than durable unless the test says otherwise."""
    made: list[EmbeddedPostgres] = []

    def make(data_dir: Path, **options) -> EmbeddedPostgres:
        options.setdefault("settings", {"fsync": "off"})
        made.append(EmbeddedPostgres(data_dir, spare=place / "spare", **options))
        return made[-1]

    yield make
    for database in made:
        database.stop()
