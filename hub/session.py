"""What a client may say on a WebSocket, whatever carries it: one `Session` per connection that speaks.

Commands are obeyed one after the other, each answered in the order it came; errors are said and counted, floods end the
connection. Most clients only ever say `pong`, so that is answered for without waiting for anything.
"""

from __future__ import annotations

import logging
import time

from hub import protocol
from hub.api.operation import State
from hub.connection import Connection
from hub.errors import (
    INTERNAL,
    RATE_LIMITED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOO_MANY_ERRORS,
    AlreadyAuthenticated,
    HubError,
    Malformed,
    TokenExpired,
)
from hub.notification import Change, parse_name
from hub.pace import Pace
from hub.protocol import AnyCommand, Auth, ChangeInbox, ChangeItems, Pong, Refresh

MAX_ERRORS = 10
CHANGES: dict[str, Change] = {"read": "read", "unread": "unread", "archive": "archived"}

log = logging.getLogger("hub.session")


class Session:
    """The commands of one client."""

    __slots__ = ("_connection", "_errors", "_pace", "_state")

    def __init__(self, state: State, connection: Connection) -> None:
        self._state = state
        self._connection = connection
        self._errors = 0
        self._pace = Pace(state.settings.rate_limit_frames)

    async def hear(self, text: str | bytes | None) -> None:
        """Obey one message (None: it was no text); whatever is wrong with it is said to the client, never raised."""
        command = self.read(text) if self.allows() else None
        if command is not None:
            await self.obey(command)

    def allows(self) -> bool:
        """Count one more frame of any kind; who says too many is sent away."""
        if not self._pace.allows():
            self._connection.close(RATE_LIMITED)
            return False
        return True

    def read(self, text: str | bytes | None) -> AnyCommand | None:
        """Read a message; None if there is nothing left to do about it."""
        self._connection.pong_by = None
        try:
            if text is None:
                raise Malformed("frames are JSON text")
            command = protocol.parse(text)
        except HubError as error:
            self._complain(error, None if text is None else protocol.ref_of(text))
            return None
        return None if isinstance(command, Pong) and command.ref is None else command

    async def obey(self, command: AnyCommand) -> None:
        """Carry out a command and answer it."""
        try:
            seq = await self._carry_out(command)
        except HubError as error:
            self._complain(error, command.ref)
        except Exception:
            log.exception("a command failed and the connection is closed")
            self._connection.close(INTERNAL)
        else:
            self._errors = 0
            if command.ref is not None:
                self._connection.send(protocol.ok(command.ref, seq))

    async def _carry_out(self, command: AnyCommand) -> int:
        hub, key = self._state.hub, self._connection.key
        match command:
            case ChangeItems():
                ids = [parse_name(name, "ntf")[1] for name in command.ids]
                return (await hub.change(key, ids, CHANGES[command.t])).seq
            case ChangeInbox():
                return (await hub.change_all(key, command.t, command.up_to)).seq
            case Refresh():
                await self._refresh(command)
            case Auth():
                raise AlreadyAuthenticated
        return self._connection.cursor.seq if self._connection.cursor else 0

    def _complain(self, error: HubError, ref: int | None) -> None:
        self._errors += 1
        self._connection.send(protocol.error(error, ref))
        if self._errors >= MAX_ERRORS:
            self._connection.close(TOO_MANY_ERRORS)

    async def _refresh(self, command: Refresh) -> None:
        """Take a fresh token for the same user; any other ends the connection."""
        try:
            principal = await self._state.gate.verify_token(command.token)
        except TokenExpired:
            self._connection.close(TOKEN_EXPIRED)
            return
        except HubError as error:
            self._connection.close(TOKEN_INVALID if not error.temporary else error.close)
            return
        if (principal.tenant, principal.user) != self._connection.key:
            self._connection.close(TOKEN_INVALID)
            return
        self._connection.principal = principal
        self._connection.warned = False
        assert principal.expires_at is not None
        self._connection.send(protocol.token("ok", max(0, round(principal.expires_at - time.time()))))
