from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.addresses import why_denied

DENIED = {
    "0.0.0.0": "unspecified",  # noqa: S104 nothing binds here
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.0.1": "link-local",
    "169.254.169.254": "cloud metadata",
    "169.254.170.2": "cloud metadata",
    "100.100.100.200": "cloud metadata",
    "168.63.129.16": "cloud metadata",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "198.51.100.7": "documentation",
    "203.0.113.7": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "IPv4 in IPv6",
    "::ffff:127.0.0.1": "IPv4 in IPv6",
    "::ffff:8.8.8.8": "IPv4 in IPv6",
    "64:ff9b::a9fe:a9fe": "NAT64",
    "64:ff9b:1::1": "NAT64",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:2::1": "benchmarking",
    "2001:10::1": "protocol assignments",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "unique local",
    "fd00:ec2::254": "cloud metadata",
    "fd12:3456:789a::1": "unique local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "febf::1": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "::1%lo": "loopback",
    "not-an-address": "not an address",
    "": "not an address",
    "2130706433": "not an address",
    "0177.0.0.1": "not an address",
}
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
]


@pytest.mark.parametrize(("address", "why"), DENIED.items())
def test_a_special_address_is_denied_with_its_reason(address, why):
    assert why == why_denied(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_reached(address):
    assert why_denied(address) is None


def test_an_operator_can_allow_a_network_and_no_more():
    allow = [ip_network("10.1.0.0/16")]

    assert why_denied("10.1.2.3", allow) is None
    assert why_denied("10.2.0.1", allow) == "private"


def test_the_metadata_address_stays_closed_inside_an_allowed_network():
    allow = [ip_network("100.64.0.0/10"), ip_network("169.254.0.0/16"), ip_network("fc00::/7")]

    assert why_denied("100.64.0.1", allow) is None
    assert [why_denied(address, allow) for address in ("100.100.100.200", "169.254.169.254", "fd00:ec2::254")] == ["cloud metadata"] * 3


def test_the_metadata_address_opens_only_by_its_own_name():
    assert why_denied("169.254.169.254", [ip_network("169.254.169.254/32")]) is None


def test_allowing_everything_in_one_word_opens_nothing():
    assert why_denied("127.0.0.1", [ip_network("0.0.0.0/0")]) == "loopback"


def test_an_allowed_nat64_prefix_does_not_lead_round_the_guard():
    allow = [ip_network("64:ff9b::/96")]

    assert why_denied("64:ff9b::808:808", allow) is None
    assert why_denied("64:ff9b::a9fe:a9fe", allow) == "cloud metadata"


def test_an_allowed_6to4_network_does_not_lead_round_the_guard():
    assert why_denied("2002:7f00:1::", [ip_network("2002::/16")]) == "loopback"


@given(st.ip_addresses(v=4))
def test_whatever_python_calls_not_global_is_denied(address: IPv4Address):
    if not address.is_global:
        assert why_denied(str(address))


@given(st.ip_addresses(v=4))
def test_every_ipv4_address_dressed_as_ipv6_is_denied(address: IPv4Address):
    assert why_denied(str(IPv6Address(f"::ffff:{address}")))


@given(st.ip_addresses(v=6))
def test_only_the_part_of_ipv6_that_is_given_out_may_be_reached(address: IPv6Address):
    if why_denied(str(address)) is None:
        assert address in ip_network("2000::/3")
