"""The gates of `make check` go red: on a pin below its floor, and on a secret in a file."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.security.credentials import make_client_secret

CI = Path(__file__).parents[2] / ".ci"


def gate(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", CI / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("pin", "advisory"),
    [
        ("pyjwt==2.14.0", "CVE-2026-102275"), ("PyJWT==2.9.0", "CVE-2026-102275"), ("starlette==1.2.9", "CVE-2026-54282"),
        ("cryptography==49.0.0", "CVE-2026-69247"), ("aiohttp==3.14.2", "CVE-2026-69244"),
    ],
)  # fmt: skip
def test_a_pin_below_its_floor_is_refused_with_its_advisory(pin: str, advisory: str, tmp_path: Path, capsys):
    lock = tmp_path / "requirements.lock"
    shutil.copy(CI.parent / "requirements.lock", lock)
    assert gate("floors").main([str(lock)]) == 0
    lock.write_text(lock.read_text("utf-8") + f"{pin} \\\n    --hash=sha256:00\n", "utf-8")
    assert gate("floors").main([str(lock)]) == 1
    said = capsys.readouterr().out
    assert pin.replace("==", " ") in said
    assert advisory in said


def test_a_secret_in_a_file_is_found_and_not_repeated(tmp_path: Path, capsys):
    key = ec.generate_private_key(ec.SECP256R1())
    secret = make_client_secret(uuid4()).text
    planted = {
        "client secret": f'SECRET = "{secret}"',
        "private key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "password": "url = 'postgresql://baton:" + "correcthorse" + "@db/baton'",  # else it is found here
        "cloud key": "AKIA" + "IOSFODNN7EXAMPLE",
    }
    for name, text in planted.items():
        path = tmp_path / "planted.py"
        path.write_text(f"# a file\n{text}\n", "utf-8")
        assert gate("secret_scan").main([str(path)]) == 1, name
        said = capsys.readouterr().out
        assert f"{path}:2: " in said, name
        assert not any(line in said for line in text.splitlines()), name
    path.write_text("print('nothing here')\n", "utf-8")
    assert gate("secret_scan").main([str(path)]) == 0
