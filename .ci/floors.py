"""Holds the locked versions against `floors.toml`: no file may pin a version that an advisory set a floor above.

    python .ci/floors.py [LOCK FILE ...]

Exit status 1 names the package, the pin, the floor and the advisory.
"""

import re
import sys
import tomllib
from pathlib import Path

from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-dev.lock")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def faults(lock: Path) -> list[str]:
    """Return what is locked below its floor, a sentence each."""
    floors = tomllib.loads((ROOT / ".ci" / "floors.toml").read_text("utf-8"))
    found: list[str] = []
    for name, pinned in _PIN.findall(lock.read_text("utf-8")):
        floor = floors.get(re.sub(r"[-_.]+", "-", name).lower())
        if floor and Version(pinned) < Version(floor["least"]):
            found.append(f"{lock.name}: {name} {pinned} is below {floor['least']}: {floor['advisory']}")
    return found


def main(paths: list[str]) -> int:
    """Check every lock file; returns the exit status."""
    wrong = [fault for path in paths or [str(ROOT / name) for name in LOCKS] for fault in faults(Path(path))]
    for fault in wrong:
        print(fault)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
