"""Whether a publish brings every variable its templates ask for: said at once, not by an e-mail that never arrives.

Publishing calls `check_wording` before anything is stored. It renders every template that may be used, in every
language, as a worker would; a category without templates costs a look into memory, and a node that never had any does
without the template engine.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import orjson

from hub.api.operation import Call
from hub.errors import FieldError, Invalid
from hub.store.publications import Publication


async def check_wording(call: Call, publication: Publication) -> None:
    """Raise `Invalid` when a template that this publication may be rendered with cannot be."""
    options: dict[str, Any] = orjson.loads(publication.options or b"{}")
    templates = await call.state.templates.in_force(publication.tenant, options.get("template") or publication.category)
    if not templates:
        return
    from delivery import trial
    from delivery.template import BadTemplate

    content, channels = orjson.loads(publication.content), _channels(publication)
    for template in templates:
        if channels is not None and template.channel not in channels:
            continue
        try:
            trial.render(
                template,
                content,
                options,
                user_id=publication.users[0],
                public_url=call.state.settings.public_url,
            )
        except BadTemplate as error:
            detail = f"the {template.channel} template ({template.locale}): {error}"
            raise Invalid(detail, errors=[FieldError("#/variables", detail)]) from None


def _channels(publication: Publication) -> Set[str] | None:
    """Return over which channels it may go; None: whichever its category has."""
    if publication.channels is None:
        return None
    return {*publication.channels, *orjson.loads(publication.escalations or b"{}")}
