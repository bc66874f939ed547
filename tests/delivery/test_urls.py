"""The strict parser: what a partner may register, and what the operator's networks open on top."""

from ipaddress import ip_network

import pytest

from app.delivery.urls import read_target
from app.domain.errors import UrlRefusedError

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

HOSTILE = [
    "",
    "hooks.example.com/a",
    "//hooks.example.com/a",
    "https:/hooks.example.com/a",
    "https:hooks.example.com",
    "https://",
    "https:///a",
    "http://hooks.example.com/a",
    "ftp://hooks.example.com/a",
    "file:///etc/passwd",
    "gopher://hooks.example.com/_x",
    "javascript:alert(1)",
    "https://user@hooks.example.com/",
    "https://user:pw@hooks.example.com/",
    "https://hooks.example.com@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example.com/",
    "https://hooks.example.com\\.evil.example/",
    "https://hooks.example.com/#a",
    "https://hooks.example.com/#",
    "https://hooks.example.com#@127.0.0.1/",
    "https://hooks.example.com./a",
    "https://hooks..example.com/a",
    "https://.example.com/a",
    "https://-a.example.com/a",
    "https://a-.example.com/a",
    "https://a_b.example.com/a",
    "https://hooks.example.com:80/",
    "https://hooks.example.com:22/",
    "https://hooks.example.com:/",
    "https://hooks.example.com:0443/",
    "https://hooks.example.com:443:443/",
    "https://hooks.example.com:+443/",
    "https://hooks.example.com:99999/",
    "https://hooks.example.com:４４３/",
    "https://127.0.0.1/",
    "https://8.8.8.8/",
    "https://127.1/",
    "https://127.0.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f.1/",
    "https://0x7f000001/",
    "https://0x7F.0x0.0x0.0x1/",
    "https://127.0.0.0x1/",
    "https://hooks.0x/",
    "https://1.1/",
    "https://0/",
    "https://256.256.256.256/",
    "https://[::1]/",
    "https://[::]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2606:4700::1111]/",
    "https://[fe80::1%25eth0]/",
    "https://[::1",
    "https://::1/",
    "https://１２７.０.０.１/",
    "https://127。0。0。1/",
    "https://①②⑦.0.0.1/",
    "https://ｅｘａｍｐｌｅ.com/",
    "https://hooks.example。com/",
    "https://ho\u00adoks.example.com/",
    "https://xn--.example.com/",
    "https://xn--a.example.com/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://a.localhost/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://printer.local/",
    "https://hooks.example.com/a b",
    " https://hooks.example.com/a",
    "https://hooks.example.com/a\n",
    "https://hooks.example.com/\r\nX: y",
    "https://hooks.example.com/\x00",
    "https://hooks.example.com\t/",
    "https://hooks%2eexample.com/",
    "https://hooks.example.com/%zz",
    "https://hooks.example.com/顧客",
    "https://hooks.example.com/?q=<a>",
    "https://" + "a" * 64 + ".example.com/",
    "https://" + "a." * 130 + "example.com/",
    "https://hooks.example.com/" + "a" * 2048,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused_in_plain_words(url):
    with pytest.raises(UrlRefusedError) as refusal:
        read_target(url, ())
    assert refusal.value.detail.startswith(("the URL", "the host", "the port", "path and query"))
    assert "127" not in refusal.value.detail
    assert "example.com" not in refusal.value.detail


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://hooks.example.com/#a", "fragment"),
        ("http://hooks.example.com/", "https"),
        ("https://user@hooks.example.com/", "no user, no password"),
        ("https://hooks.example.com:9000/", "443 or 8443"),
        ("https://hooks.example.com./", "end in a dot"),
        ("https://0x7f.1/", "not an address"),
        ("https://8.8.8.8/", "not an address"),
        ("https://localhost/", "public name"),
        ("https://hooks.example.com/" + "a" * 2048, "longer than 2048"),
    ],
)
def test_the_reason_says_what_to_mend(url, reason):
    with pytest.raises(UrlRefusedError, match=reason):
        read_target(url, ())


@pytest.mark.parametrize(
    ("url", "sent", "host", "port"),
    [
        ("https://hooks.example.com/a", "https://hooks.example.com/a", "hooks.example.com", 443),
        ("HTTPS://Hooks.Example.COM", "https://hooks.example.com/", "hooks.example.com", 443),
        ("https://hooks.example.com:443/a", "https://hooks.example.com/a", "hooks.example.com", 443),
        ("https://hooks.example.com:8443?t=%2F", "https://hooks.example.com:8443/?t=%2F", "hooks.example.com", 8443),
        ("https://例え.jp/a/../b", "https://xn--r8jz45g.jp/a/../b", "xn--r8jz45g.jp", 443),
        ("https://xn--r8jz45g.jp/", "https://xn--r8jz45g.jp/", "xn--r8jz45g.jp", 443),
        ("https://1a.4chan.org/", "https://1a.4chan.org/", "1a.4chan.org", 443),
    ],
)
def test_a_good_url_is_rebuilt_from_its_checked_parts(url, sent, host, port):
    target = read_target(url, ())
    assert (target.url, target.host, target.port, target.allowed_only) == (sent, host, port, False)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://127.0.0.1:9000/hook", "http://127.0.0.1:9000/hook"),
        ("http://[::1]:9000/hook", "http://[::1]:9000/hook"),
        ("https://127.0.0.1:9443/hook", "https://127.0.0.1:9443/hook"),
        ("http://localhost:9000/hook", "http://localhost:9000/hook"),
        ("http://hooks.example.com/hook", "http://hooks.example.com/hook"),
        ("https://hooks.corp.internal/hook", "https://hooks.corp.internal/hook"),
    ],
)
def test_allowed_networks_open_http_ports_literals_and_private_names_for_themselves_only(url, sent):
    target = read_target(url, LOOPBACK)
    assert target.url == sent
    assert target.allowed_only


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://8.8.8.8/",
        "https://8.8.8.8/",
        "http://[::2]/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://u@127.0.0.1/",
        "http://127.0.0.1/#",
        "ftp://127.0.0.1/",
    ],
)
def test_allowed_networks_open_no_other_literal_and_no_odd_spelling(url):
    with pytest.raises(UrlRefusedError):
        read_target(url, LOOPBACK)


def test_a_public_name_stays_unrestricted_where_networks_are_allowed():
    assert not read_target("https://hooks.example.com/", LOOPBACK).allowed_only


def test_the_service_never_posts_to_itself():
    with pytest.raises(UrlRefusedError, match="back to this service"):
        read_target("https://Baton.example.com/v1/leads", (), frozenset({"baton.example.com"}))
