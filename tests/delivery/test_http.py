import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from delivery.http import Http, NoAnswer, Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def serving(*answers):
    """A server that reads a request for each answer, sends the answer and closes, or keeps silent where it is None.

    Yields its port and what it read.
    """
    requests, connections = [], []

    async def serve(reader, writer):
        connections.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, OSError):
            for answer in answers:
                requests.append(await reader.readuntil(b"body"))
                writer.write(await reader.read() if answer is None else answer)
                await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], requests
        await asyncio.gather(*connections)


@asynccontextmanager
async def http(**options):
    """A client with little patience."""
    opened = Http(**{"total_seconds": 2, "connect_seconds": 0.5} | options)
    yield opened
    await opened.close()


async def ask(http, port, scheme="http"):
    return await http.exchange("post", f"{scheme}://127.0.0.1:{port}/", headers={"X-Key": "1"}, data=b"body")


@pytest.mark.parametrize("answer", [b"", OK[:20], OK[:-1], b"what?\r\n\r\n"])
async def test_an_answer_that_is_not_whole_may_follow_an_acceptance(answer):
    """Once the request is out, whatever goes wrong is a missing answer, and nothing is sent again."""
    async with serving(answer) as (port, requests), http() as client:
        with pytest.raises(NoAnswer):
            await ask(client, port)
        assert len(requests) == 1


async def test_a_kept_connection_that_is_lost_under_a_request_is_a_missing_answer():
    """The second request on a connection was read before it was closed: it is not repeated on another."""
    async with serving(OK, b"") as (port, requests), http() as client:
        answer = await ask(client, port)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"{}", "application/json")
        with pytest.raises(NoAnswer):
            await ask(client, port)
        assert len(requests) == 2


async def test_silence_is_a_missing_answer_only_after_the_request():
    """Without TLS in time nothing was said; a server that heard everything and says nothing may have accepted."""
    async with serving(None) as (port, _), http() as client:
        with pytest.raises(Unreachable):
            await ask(client, port, "https")
        with pytest.raises(NoAnswer):
            await ask(client, port)


async def test_a_server_without_tls_has_received_nothing():
    """A failed handshake comes before the request."""
    async with serving(OK) as (port, requests), http() as client:
        with pytest.raises(Unreachable):
            await ask(client, port, "https")
        assert requests == []


async def test_without_a_free_connection_nothing_is_sent():
    """Who waits too long for its turn has not been heard."""
    async with serving(None) as (port, _), http(connections=1) as client:
        first = asyncio.create_task(ask(client, port))
        await asyncio.sleep(0)
        with pytest.raises(Unreachable):
            await ask(client, port)
        with pytest.raises(NoAnswer):
            await first


@pytest.mark.parametrize("url", ["http://nowhere.invalid/", "http://127.0.0.1:9/"])
async def test_where_nobody_is_nothing_arrives(url):
    """An address of nobody, or refused."""
    async with http() as client:
        with pytest.raises(Unreachable):
            await client.exchange("POST", url, headers={}, data=b"body")
