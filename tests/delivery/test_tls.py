"""TLS towards receivers: the certificate has to be trusted and has to hold the name of the URL."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.delivery.client import Egress
from app.delivery.names import Names

LOOPBACK = (ip_network("127.0.0.0/8"),)
NAME = "hooks.example.com"


@pytest.fixture
def certify(tmp_path, monkeypatch):
    """Make a throw-away authority that the client trusts; returns a maker of server contexts."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away authority")])
    now = datetime.now(UTC)

    def sign(subject, public_key, extension, until, critical):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(until)
        return builder.add_extension(extension, critical).sign(key, hashes.SHA256())

    later = now + timedelta(days=1)
    root = sign(issuer, key.public_key(), x509.BasicConstraints(ca=True, path_length=0), later, True)
    trusted = tmp_path / "authority.pem"
    trusted.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    def server_context(name, until=later):
        own = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        certificate = sign(x509.Name([]), own.public_key(), names, until, True)
        chain = tmp_path / "server.pem"
        plain = serialization.NoEncryption()
        private = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        chain.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    return server_context


async def post(port, count=1):
    async def lookup(host):
        return ("127.0.0.1",)

    async with Egress(LOOPBACK, names=Names(lookup)) as egress:
        return [await egress.post(f"https://{NAME}:{port}/hook", {}, b"{}") for _ in range(count)]


async def test_a_certificate_of_the_right_name_is_taken_and_the_connection_kept(receive, certify):
    receiver = await receive(tls=certify(NAME))
    first, second = await post(receiver.port, count=2)
    assert (first.ok, second.ok, second.reused) == (True, True, True)
    assert receiver.connections == 1
    assert 0 < first.timings.tls < first.timings.total
    assert second.timings.tls is None
    assert receiver.requests[0][1]["host"] == f"{NAME}:{receiver.port}"


@pytest.mark.parametrize("name", ["other.example.com", "127.0.0.1", "*.com"])
async def test_a_certificate_of_another_name_fails_as_tls(receive, certify, name):
    receiver = await receive(tls=certify(name))
    [reply] = await post(receiver.port)
    assert (reply.error, reply.status) == ("tls", None)
    assert receiver.requests == []


async def test_an_expired_certificate_fails_as_tls(receive, certify):
    receiver = await receive(tls=certify(NAME, until=datetime.now(UTC) - timedelta(days=1)))
    [reply] = await post(receiver.port)
    assert reply.error == "tls"


async def test_an_unknown_authority_fails_as_tls(receive, certify, tmp_path):
    context = certify(NAME)
    (tmp_path / "authority.pem").write_text("")
    receiver = await receive(tls=context)
    [reply] = await post(receiver.port)
    assert reply.error == "tls"


async def test_a_plain_server_behind_https_fails_as_tls():
    async def greet(_, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    [reply] = await post(server.sockets[0].getsockname()[1])
    server.close()
    assert (reply.error, reply.status) == ("tls", None)
