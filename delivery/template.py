"""Pure: producers' templates, safely: rendered in a sandbox, strict about what is missing, bounded in size.

`render` uses it for deliveries, the templates API to check and preview. HTML is rendered with escaping, everything
else without; a variable that is not given is an error, never an empty hole in an e-mail. Rejected: a smaller template
language of our own, because producers know Jinja2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_CHARACTERS = 256 * 1024

_HTML = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
_TEXT = ImmutableSandboxedEnvironment(autoescape=False, undefined=StrictUndefined, trim_blocks=True)


class BadTemplate(Exception):
    """A template cannot be read or rendered; the text says why, for its author."""


def fill(source: str, variables: Mapping[str, Any], *, html: bool = False) -> str:
    """Render a template; raise `BadTemplate` for a syntax error, a missing variable, or a flood."""
    try:
        return "".join(_bounded(_compiled(source, html).generate(variables)))
    except BadTemplate:
        raise
    except TemplateError as error:
        raise BadTemplate(f"{type(error).__name__}: {error.message}") from error
    except Exception as error:  # whatever a template's author makes Python do
        raise BadTemplate(f"{type(error).__name__}: {error}") from error


def check(source: str, *, html: bool = False) -> None:
    """Raise `BadTemplate` if it cannot be compiled."""
    try:
        _compiled(source, html)
    except TemplateError as error:
        raise BadTemplate(f"{type(error).__name__}: {error.message}") from error


def one_line(text: str) -> str:
    """Fold a subject into one line, so that it cannot become another header."""
    return " ".join(text.split())


@lru_cache(maxsize=512)
def _compiled(source: str, html: bool) -> Template:
    return (_HTML if html else _TEXT).from_string(source)


def _bounded(parts: Iterator[str]) -> Iterator[str]:
    size = 0
    for part in parts:
        size += len(part)
        if size > MAX_CHARACTERS:
            raise BadTemplate(f"renders to more than {MAX_CHARACTERS} characters")
        yield part
