"""A mail server that records and misbehaves on demand: the provider edge of SMTP."""

import asyncio


class MailServer:
    """Answers each command as told, keeps what it accepted; use as an async context manager."""

    def __init__(self):
        self.accepted = []
        self.answers = {}
        """Command, or `text` for the end of DATA → the answer to give; None cuts the connection."""
        self.accept_first = False
        """Keep the text even when the answer to it is lost."""

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _converse(self, reader, writer):
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            command = line.split()[0].decode().lower()
            default = "250-localhost\r\n250 AUTH PLAIN" if command == "ehlo" else "250 fine"
            if command == "data" and self.answers.get("data", "354").startswith("354"):
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                command, default = "text", "250 queued"
                if self.accept_first or self.answers.get("text", default).startswith("250"):
                    self.accepted.append(text)
            answer = self.answers.get(command, default)
            if answer == "cut":
                return
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
