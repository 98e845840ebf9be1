"""Where log lines go and what they look like: structlog on top of the standard library's logging.

`configure` is called once at the start of every process; a server must be started with uvicorn's own `log_config` off.
Then each line of each library takes the same way: context (`structlog.contextvars`, where the request id is bound),
redaction, one line on stderr. stdout belongs to the answers of commands. Invariant: nothing is written that did not
pass redaction.py, tracebacks and lines that failed to format included.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from hub.config import Shared
from hub.redaction import redact_fields

# Libraries that would log every frame, every address they call, or a traceback a second while Postgres is away.
_QUIET = {
    "asyncpg": logging.ERROR,
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
    "sse_starlette": logging.INFO,
    "websockets": logging.INFO,
}
_UVICORN = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error")


def configure(settings: Shared) -> None:
    """Send all logging of the process to stderr, as the settings say; calling it again changes it."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    context = _context()
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=context,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, _renderer(settings)],
        )
    )
    structlog.configure(
        processors=[*context, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
    )
    _take_over(handler, level)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes lines. The library's own answer to a broken one would print its arguments as they are."""

    def handleError(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(f'{{"level": "error", "event": "a line of {record.name}:{record.lineno} is broken"}}\n')


def _take_over(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))


def _context() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _redact(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    return redact_fields(dict(fields))


def _renderer(settings: Shared) -> Processor:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )
