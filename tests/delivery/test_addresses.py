"""Where Baton may connect to, judged by hand-written tables."""

from ipaddress import ip_address, ip_network

import pytest

from app.delivery.addresses import embedded, is_allowed, is_within

HOSTILE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254
168.63.129.16 169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.31.196.1
192.52.193.1 192.88.99.1 192.168.1.1 192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:169.254.169.254
::ffff:8.8.8.8 ::ffff:0:7f00:1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1::7f00:1
100::1 2001::1 2001:0:4136:e378:8000:63bf:80ff:fffe 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
2002:0808:0808::1 2002:a9fe:a9fe:: 2620:4f:8000::1 3ffe::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254
fd20:ce::254 fe80::1 fec0::1 ff02::1 ff0e::1 2600:1900::5efe:a00:1 2600:1900::200:5efe:7f00:1 1fff:ffff::1
"""

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255
198.20.0.0 223.255.255.255 2001:200::1 2001:4860:4860::8888 2400:cb00::1 2606:4700::1111 2a00:1450:4001::1 3ffd::1
2600:1900::5efe:808:808
"""


@pytest.mark.parametrize("text", HOSTILE.split())
def test_an_address_that_is_not_ordinary_unicast_is_refused(text):
    assert not is_allowed(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC.split())
def test_an_ordinary_public_address_is_allowed(text):
    assert is_allowed(ip_address(text), ())


@pytest.mark.parametrize(
    ("text", "inner"),
    [
        ("::ffff:127.0.0.1", ["127.0.0.1"]),
        ("::127.0.0.1", ["127.0.0.1"]),
        ("::ffff:0:7f00:1", ["127.0.0.1"]),
        ("64:ff9b::a9fe:a9fe", ["169.254.169.254"]),
        ("64:ff9b:1::7f00:1", ["127.0.0.1"]),
        ("2002:c0a8:101::1", ["192.168.1.1"]),
        # RFC 4380 section 4: server 65.54.227.120, client 192.0.2.45 with its bits inverted
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", ["65.54.227.120", "192.0.2.45"]),
        ("2600:1900::5efe:a00:1", ["10.0.0.1"]),
        ("::1", []),
        ("::", []),
        ("2606:4700::1111", []),
    ],
)
def test_hidden_ipv4_addresses_are_found(text, inner):
    assert [str(address) for address in embedded(ip_address(text))] == inner


def test_an_allowed_network_opens_its_own_range_only():
    loopback = (ip_network("127.0.0.0/8"),)
    assert is_allowed(ip_address("127.0.0.1"), loopback)
    assert is_within(ip_address("::ffff:127.0.0.1"), loopback)
    assert not is_allowed(ip_address("10.0.0.1"), loopback)
    assert not is_allowed(ip_address("::1"), loopback)
    assert not is_within(ip_address("8.8.8.8"), loopback)
    assert is_allowed(ip_address("::1"), (ip_network("::1/128"),))


def test_an_allowed_translation_range_does_not_open_what_hides_inside():
    nat64 = (ip_network("64:ff9b::/96"),)
    assert is_allowed(ip_address("64:ff9b::808:808"), nat64)
    assert not is_allowed(ip_address("64:ff9b::7f00:1"), nat64)
    assert is_allowed(ip_address("64:ff9b::7f00:1"), (*nat64, ip_network("127.0.0.0/8")))
