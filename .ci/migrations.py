"""Lints the revisions: one head, bounded locks, no statement that blocks a running Baton or forgets a policy.

The first revision builds from nothing and is held by the catalogue tests instead. Exit status 1 names what is wrong.
"""

import ast
import re
import sys
from pathlib import Path

VERSIONS = Path(__file__).parents[1] / "alembic" / "versions"
FIRST = "0001"

FORBIDDEN = {
    r"create\s+(unique\s+)?index\s+(?!concurrently)": "an index on a living table is built CONCURRENTLY",
    r"alter\s+column\s+\w+\s+type": "a column keeps its type: add another and move in steps",
    r"drop\s+column": "a column goes in a release after the one that stopped reading it",
    r"rename\s+(column|to)": "nothing is renamed under a running Baton",
    r"create\s+type": "closed sets are text with CHECK, never enum types",
    r"function\s+(?!baton\.rotate_partitions\b)[\w.]+\([^$]*security\s+definer": (
        "rotate_partitions is the one definer function"
    ),
    r"\bto\s+public\b": "every policy and grant names its login",
}


def texts(path: Path) -> str:
    """Return every string of a revision and of the SQL file beside it, lower case."""
    tree = ast.parse(path.read_text("utf-8"))
    held = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    beside = path.with_suffix(".sql")
    if beside.exists():
        held.append(beside.read_text("utf-8"))
    return "\n".join(held).lower()


def assigned(path: Path, name: str) -> str | None:
    """Return the value that a revision assigns to `name`."""
    found = re.search(rf"^{name}\b.*=\s*(?:\"(\w+)\"|None)", path.read_text("utf-8"), re.MULTILINE)
    return found[1] if found else None


def faults(path: Path) -> list[str]:
    """Return what is wrong with one revision."""
    said = texts(path)
    made = set(re.findall(r"create\s+table\s+baton\.(\w+)", said))
    found = [] if "lock_timeout" in said else ["it sets no lock_timeout"]
    for pattern, why in FORBIDDEN.items():
        for match in re.finditer(pattern + (r"\w+\s+on\s+baton\.(\w+)" if "index" in pattern else ""), said):
            if match.groups() and match.groups()[-1] in made:
                continue
            found.append(f"`{match[0]}`: {why}")
    return found


def main() -> int:
    """Lint every revision; returns the exit status."""
    revisions = {assigned(path, "revision"): path for path in sorted(VERSIONS.glob("*.py"))}
    below = {assigned(path, "down_revision") for path in revisions.values()}
    wrong = [f"{len(revisions.keys() - below)} heads"] if len(revisions.keys() - below) != 1 else []
    for name, path in revisions.items():
        if name != FIRST:
            wrong.extend(f"{path.name}: {fault}" for fault in faults(path))
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
