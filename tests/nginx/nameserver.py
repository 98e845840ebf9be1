"""A name server that knows one name, standing in for Docker's: its A records are whatever the test says."""

import asyncio
import socket
import struct

A = 1


class Nameserver(asyncio.DatagramProtocol):
    """Answers every question of type A with `addresses`, and every other with nothing."""

    def __init__(self):
        self.addresses = []
        self.port = 0

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_):
        self._transport.close()

    def datagram_received(self, data, address):
        """Answer one question (RFC 1035, section 4.1)."""
        question = data[12 : data.index(b"\0", 12) + 5]  # the name, its type and its class
        kind = struct.unpack("!H", question[-4:-2])[0]
        records = [self._record(each) for each in self.addresses] if kind == A else []
        header = struct.pack("!HHHHHH", int.from_bytes(data[:2], "big"), 0x8180, 1, len(records), 0, 0)
        self._transport.sendto(header + question + b"".join(records), address)

    @staticmethod
    def _record(address):
        name_of_the_question = 0xC00C
        return struct.pack("!HHHIH", name_of_the_question, A, 1, 1, 4) + socket.inet_aton(address)
