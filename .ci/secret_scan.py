"""Scans every tracked file for secrets: the detectors of detect-secrets, and Baton's own kinds.

    python .ci/secret_scan.py [FILE ...]

`secrets_known.toml` lists what only looks like one, by file and SHA-256, with the reason. Lock files are left out: they
are hashes. Exit status 1 names file and line, never the secret.
"""

import re
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path

from detect_secrets.core.scan import scan_file
from detect_secrets.settings import transient_settings

from app.security.credentials import secret_id_of

ROOT = Path(__file__).parents[1]
_DETECTORS = (
    "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector", "GitHubTokenDetector",
    "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "StripeDetector",
    "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
_SETTINGS = {
    "plugins_used": [
        *({"name": name} for name in _DETECTORS),
        {"name": "Base64HighEntropyString", "limit": 4.5},
        {"name": "HexHighEntropyString", "limit": 3.0},
    ],
    "filters_used": [],
}
_CLIENT_SECRET = re.compile(r"bt_(?:cs|in)_[a-z2-7]{26}_[0-9A-Za-z]{49}")


def found_in(path: Path) -> list[tuple[int, str, str]]:
    """Return line, kind and text of what looks like a secret in a file. A client secret counts by its checksum."""
    held = [(one.line_number, one.type, one.secret_value or "") for one in scan_file(str(path))]
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError:
        return held
    for number, line in enumerate(lines, 1):
        held += [(number, "Baton client secret", text) for text in _CLIENT_SECRET.findall(line) if secret_id_of(text)]
    return held


def tracked() -> list[Path]:
    """Return the files of the repository that are no lock files."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607  # git is where CI put it
    names = [name for name in listed.stdout.split("\0") if name and not name.endswith(".lock")]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def main(paths: list[str]) -> int:
    """Scan the files; returns the exit status."""
    known = tomllib.loads((ROOT / ".ci" / "secrets_known.toml").read_text("utf-8"))
    wrong = 0
    with transient_settings(_SETTINGS):
        for path in [Path(name) for name in paths] or tracked():
            name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
            for line, kind, text in found_in(path):
                if sha256(text.encode()).hexdigest()[:16] not in known.get(name, {}):
                    print(f"{name}:{line}: {kind}")
                    wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
