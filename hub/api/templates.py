"""Templates, for administrators: what a category says over a channel in a language, in versions.

What cannot be compiled is refused when it is saved, a variable that is not given when it is previewed or published:
never by an e-mail with a hole in it. HTML is saved as it is sent, its styles moved onto the elements. The template
engine comes in with the first template that is shown to a node.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, AwareDatetime, BaseModel, Field
from starlette.responses import Response

from delivery.store.templates import Place, Saved, Words
from hub.api.operation import Call, Resource
from hub.contact import Locale
from hub.errors import FieldError, Invalid, NotFound
from hub.publication import Category, DataObject, Request, Text

resource = Resource("Templates", category=Category, channel=Literal["email", "sms", "push"], locale=Locale)
PATH = "/v1/templates/{category}/{channel}/{locale}"


class Template(Request):
    """Jinja2 sources. `title` is an e-mail's subject, `body` the plain text; `html` is for e-mail only."""

    title: Annotated[Text, Field(max_length=1000, validation_alias=AliasChoices("title", "subject"))] = ""
    body: Annotated[Text, Field(min_length=1, max_length=65_536, validation_alias=AliasChoices("body", "text"))]
    html: Annotated[Text, Field(max_length=200_000)] | None = None


class TemplateVersion(BaseModel):
    """A version; the highest is in force."""

    category: str
    channel: str
    locale: str
    version: int
    title: str
    body: str
    html: str | None
    created_at: AwareDatetime


class Which(BaseModel):
    """Which version; by default the one in force."""

    model_config = {"extra": "forbid"}
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Preview(Request):
    """What to render with; without a `template` the one in force is shown."""

    variables: DataObject = Field(default_factory=dict)
    notification: DataObject = Field(default_factory=dict)
    template: Template | None = None


class Rendered(BaseModel):
    """What a recipient would get."""

    title: str
    text: str
    html: str | None


@resource.operation("PUT", PATH, access="admin", body=Template, answers={200: TemplateVersion, 201: TemplateVersion})
async def save(call: Call) -> Response:
    """Save a version, which is in force at once; what is in force already is not saved again."""
    place = _place(call)
    saved, new = await call.state.templates.save(place, _words(place, call.body))
    return call.answer(_version(saved), 201 if new else 200)


@resource.operation("GET", PATH, access="admin", query=Which, answers={200: TemplateVersion}, errors=(NotFound,))
async def show(call: Call) -> Response:
    """Show a version."""
    return call.answer(_version(await _find(call, _place(call), call.query.version)))


@resource.operation(
    "POST", f"{PATH}/preview", access="admin", body=Preview, answers={200: Rendered}, errors=(NotFound,)
)
async def preview(call: Call) -> Response:
    """Render a template as a recipient would get it; a variable that is missing is named."""
    from delivery import template, trial

    place, asked = _place(call), call.body
    if asked.template is None:
        shown = await _find(call, place)
    else:
        words = _words(place, asked.template, within="#/template")
        shown = Saved(place.category, place.channel, place.locale, 0, *words, created_at=None)  # type: ignore[arg-type]
    try:
        said = trial.render(
            shown,
            {**trial.EXAMPLE, "category": place.category, **asked.notification},
            {"variables": asked.variables},
            user_id="example",
            public_url=call.state.settings.public_url,
        )
    except template.BadTemplate as error:
        raise Invalid(str(error), errors=[FieldError("#/variables", str(error))]) from None
    return call.answer({"title": template.one_line(said.title), "text": said.text, "html": said.html})


async def _find(call: Call, place: Place, version: int | None = None) -> Saved:
    found = await call.state.templates.find(place, version)
    if found is None:
        raise NotFound("there is no such template")
    return found


def _place(call: Call) -> Place:
    named = call.path
    return Place(call.service.tenant, named.category, named.channel, named.locale)


def _words(place: Place, said: Template, within: str = "#") -> Words:
    from delivery import render, template

    errors = []
    if said.html is not None and place.channel != "email":
        errors.append(FieldError(f"{within}/html", "only e-mail has HTML"))
    for name in ("title", "body", "html"):
        try:
            template.check(getattr(said, name) or "", html=name == "html")
        except template.BadTemplate as error:
            errors.append(FieldError(f"{within}/{name}", str(error)))
    if errors:
        raise Invalid("; ".join(f"{name}: {rule}" for name, rule in errors), errors=errors)
    return Words(said.title, said.body, None if said.html is None else render.inline_styles(said.html))


def _version(saved: Saved) -> dict[str, Any]:
    return saved._asdict() | {"created_at": saved.created_at.isoformat().replace("+00:00", "Z")}
