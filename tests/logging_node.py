"""A small real server that logs what it should not; test_logs.py runs it as a process and reads its stderr."""

import asyncio
import json
import logging
import sys
import warnings

import structlog
import uvicorn

from hub import logs
from tests.credentials import settings


async def app(scope, receive, send):
    """Accept a WebSocket, or answer a request after binding its id the way the hub does."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1000})
    elif scope["path"] == "/crash":
        raise RuntimeError(f"broken by {scope['path']}?{scope['query_string'].decode()} and {LINES[0]}")
    else:
        with structlog.contextvars.bound_contextvars(request_id="request-1"):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})


def log_everything(lines):
    """Log each line through loggers of ours and of libraries, in each way a line can carry a secret."""
    for line in lines:
        for name in ("hub.live", "uvicorn.error", "uvicorn.access", "uvicorn", "asyncio", "rq.worker"):
            logging.getLogger(name).info("as argument %s", line)
            logging.getLogger(name).warning(line.replace("%", "%%"))
        nested = {"list": [line, line.encode(errors="replace")]}
        structlog.get_logger("hub.jwks").info("as field", field=line, nested=nested)
        logging.getLogger("hub").info("broken %d", line)
        try:
            raise ValueError(line)
        except ValueError:
            logging.getLogger("hub").exception("as exception of a library")
            structlog.get_logger("hub").exception("as exception of ours")
        warnings.warn(line, stacklevel=1)
    for name in ("websockets.server", "sse_starlette.sse", "httpx2"):
        logging.getLogger(name).debug("too much detail")
    with structlog.contextvars.bound_contextvars(request_id="request-2"):
        logging.getLogger("hub").info("foreign line with context")
        structlog.get_logger("hub").debug("debug line of ours")


async def serve():
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    server.should_exit = True
    await task


if __name__ == "__main__":
    LINES = json.loads(sys.argv[3])
    uvicorn.Config(app).configure_logging()  # what has to be taken over
    logs.configure(settings(log_level=sys.argv[1], log_format=sys.argv[2]))
    log_everything(LINES)
    asyncio.run(serve())
