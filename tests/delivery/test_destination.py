"""Where a webhook may go: https to public addresses, by name or number, unless the setting says otherwise."""

import socket

import pytest

from delivery import webhook
from delivery.channel import Transient
from delivery.destination import Endpoint, check, is_public
from delivery.http import Http
from delivery.webhook import PublicResolver, Webhook
from hub.notification import new_id
from tests.delivery.refusal import refused


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com/hub",
        "https://shop.example.com:8443/a?b=c",
        "https://93.184.216.34/",
        "https://[2606:4700::1]/",
    ],
)
def test_https_to_a_public_address_is_allowed(url):
    """Any port, any path."""
    assert check(url, private=False) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example.com/", "https://"),
        ("ftp://shop.example.com/", "https://"),
        ("shop.example.com", "https://"),
        ("javascript:alert(1)", "https://"),
        ("https://", "not a web address"),
        ("https://shop.example.com:99999/", "not a web address"),
        ("https://[::1/", "not a web address"),
        ("https://shop.example.com/\r\nX: y", "not a web address"),
        ("https://shop.exämple.com/", "not a web address"),
        ("https://2130706433/", "not a web address"),
        ("https://0x7f000001/", "not a web address"),
        ("https://127.1/", "not a web address"),
        ("https://user:password@shop.example.com/", "user"),
        ("https://shop.example.com/#x", "fragment"),
        ("https://127.0.0.1/", "public"),
        ("https://10.1.2.3/", "public"),
        ("https://169.254.169.254/latest/meta-data", "public"),
        ("https://[::1]/", "public"),
        ("https://[::ffff:127.0.0.1]/", "public"),
        ("https://[64:ff9b::a9fe:a9fe]/", "public"),
        ("https://[2002:7f00:1::]/", "public"),
    ],
)
def test_anything_else_is_refused_with_the_reason(url, why):
    """The text is what the API shows beside the field."""
    with pytest.raises(ValueError, match=why):
        check(url, private=False)


def test_the_setting_allows_http_and_private_addresses():
    """For development, and for hubs of one's own network; other schemes stay out."""
    url = "http://127.0.0.1:8080/hub"
    assert check(url, private=True) == url
    with pytest.raises(ValueError, match="http"):
        check("file:///etc/passwd", private=True)


INSIDE = "0.0.0.0 100.64.0.1 192.168.0.1 224.0.0.1 255.255.255.255 fe80::1 fc00::1 ff02::1 ::"


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_only_this_network_reaches_is_not_public(address):
    """Private, shared, link-local, multicast, reserved and unspecified addresses, of both versions."""
    assert not is_public(address)


async def test_a_name_is_judged_by_what_it_resolves_to_when_connecting(message):
    """A name that leads inside does not exist: nothing is connected to, and it may lead elsewhere later."""
    name = "localhost"
    http = Http(total_seconds=5, resolver=PublicResolver, most_bytes=100)
    edge = Webhook(http, Endpoint(new_id(), f"https://{name}/", "whsec_AAAA"), private=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        edge._endpoint = edge._endpoint._replace(url=f"https://{name}:{port}/")
        await refused(edge.send(message("webhook")), Transient, code="unreachable")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    await http.close()


def test_the_answer_an_operator_sees_is_short():
    """What a stranger answers is stored with the attempt."""
    assert webhook.ANSWER_BYTES <= 2048
