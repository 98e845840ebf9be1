"""Pure: what a delivery says over its channel: the producer's template, an override, or the default.

`claim` calls `Renderer.message` under the inbox's lock, so this does no I/O. From strong to weak: the publish's
`overrides` for the channel, the template in the reader's language, the notification's own title and body in the
default layout. Only web links leave the building; a path is completed with the hub's public address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache
from importlib.resources import files
from typing import Any
from urllib.parse import urljoin

import css_inline
import orjson
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from delivery import template, unsubscribe
from delivery.case import Case
from delivery.channel import Message
from delivery.unsubscribe import Subscription
from delivery.wording import direction, words

SMS_CHARACTERS = 1600
PREVIEW_CHARACTERS = 140
LINK = "\0"
"""Where a page has its link: what Postgres stores no text with."""

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True)
_LAYOUT = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
    (files("delivery") / "layout" / "email.html").read_text()
)
_LAYOUT.globals = {}  # it uses none of Jinja's, which would be copied for every e-mail


@dataclass(frozen=True, slots=True)
class Item:
    """One notification as a message shows it."""

    title: str
    body: str
    link: str | None

    @property
    def paragraphs(self) -> list[str]:
        """The body, split at its line breaks."""
        return [line.strip() for line in self.body.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class Said:
    """The three forms of a text."""

    title: str
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Renderer:
    """Writes messages for one hub."""

    public_url: str
    email_from: str
    sms_from: str
    unsubscribe_key: str

    def message(self, case: Case, address: str, kind: str | None, others: Sequence[Case] = ()) -> Message:
        """Write a delivery's message; with `others` it is a digest. Raise `BadTemplate`."""
        content = case.content
        said = self.say(case, others)
        headers = self._unsubscribe_headers(case)
        return Message(
            delivery_id=case.name,
            key=case.key,
            sender=self.sms_from if case.channel == "sms" else self.email_from,
            address=address,
            address_kind="fid" if kind == "fid" else "token",
            title=template.one_line(said.title),
            text=said.text[:SMS_CHARACTERS] if case.channel == "sms" else said.text,
            html=said.html,
            link=self.link(content.get("action_url")),
            headers=headers if case.channel == "email" else {},
            data={"notification_id": "ntf_" + case.row["notification_id"].hex} if case.channel == "push" else {},
            callback_url=f"{self.public_url}/v1/webhooks/twilio/{case.name}" if case.channel == "sms" else None,
            ttl_seconds=_ttl(case),
            urgent=case.row["priority"] <= 1,
        )

    def say(self, case: Case, others: Sequence[Case] = ()) -> Said:
        """Find the words."""
        saved = case.row["template"]
        if others or saved is None:
            said = self._default(case, others)
        else:
            said = self._fill(case, orjson.loads(saved), _variables(case))
        if others:
            return said
        override = (case.options.get("overrides") or {}).get(case.channel) or {}
        return Said(
            override.get("subject") or override.get("title") or said.title,
            override.get("text") or override.get("body") or said.text,
            override.get("html") or said.html,
        )

    def link(self, url: str | None) -> str | None:
        """Make an address absolute; nothing but the web is linked to."""
        if not url:
            return None
        absolute = urljoin(self.public_url + "/", url)
        return absolute if absolute.startswith(("https://", "http://")) else None

    def _default(self, case: Case, others: Sequence[Case]) -> Said:
        items = [self._item(one) for one in (*others, case)]
        title = items[0].title
        if others:
            title = words(_locale(case)).digest.format(count=len(items), category=_category(case))
        texts = [_text(item, case.channel, listed=bool(others)) for item in items]
        separator = "\n" if case.channel == "sms" else "\n\n"
        text = separator.join(texts)
        html = self._lay_out(case, title, items) if case.channel == "email" else None
        return Said(title, f"{title}{separator}{text}" if others and case.channel == "sms" else text, html)

    def _fill(self, case: Case, saved: dict[str, Any], variables: dict[str, Any]) -> Said:
        title = template.fill(saved["title"], variables)
        text = template.fill(saved["body"], variables)
        html = template.fill(saved["html"], variables, html=True) if saved["html"] else None
        if case.channel == "email":
            item = Item(title, text, self.link(case.content.get("action_url")))
            if html is None or "<html" not in html.lower():
                html = self._lay_out(case, title, [item], None if html is None else Markup(html))  # noqa: S704
        return Said(title, text, html)

    def _lay_out(self, case: Case, title: str, items: Sequence[Item], content: Markup | None = None) -> str:
        link = self._unsubscribe_link(case)
        page = _page(
            title=title,
            items=tuple(items),
            content=content,
            brand=_brand(self.email_from),
            category=_category(case),
            locale=_locale(case),
            link=None if link is None else LINK,
        )
        if link is None:
            return page
        before, _, after = page.rpartition(LINK)
        return f"{before}{escape(link)}{after}"

    def _item(self, case: Case) -> Item:
        content = case.content
        return Item(content["title"], content.get("body") or "", self.link(content.get("action_url")))

    def _unsubscribe_link(self, case: Case) -> str | None:
        if case.row["mandatory"]:
            return None
        ends = Subscription(case.row["tenant"], case.row["user_id"], case.row["category"], case.channel)
        return f"{self.public_url}/v1/unsubscribe/{unsubscribe.sign(ends, self.unsubscribe_key)}"

    def _unsubscribe_headers(self, case: Case) -> dict[str, str]:
        link = self._unsubscribe_link(case)
        return {} if link is None else unsubscribe.headers(link)


@lru_cache(maxsize=16)
def _brand(sender: str) -> str:
    return parseaddr(sender)[0] or "Notifications"


@lru_cache(maxsize=64)
def _page(
    *,
    title: str,
    items: tuple[Item, ...],
    content: Markup | None,
    brand: str,
    category: str,
    locale: str,
    link: str | None,
) -> str:
    """Lay out an e-mail; what goes to many differs only in the link by which each may leave."""
    said = words(locale)
    return _LAYOUT.render(
        title=title,
        preview=" ".join(items[0].paragraphs)[:PREVIEW_CHARACTERS],
        items=items,
        content=content,
        brand=brand,
        why=said.why.format(category=category),
        unsubscribe=link,
        words=said,
        locale=locale,
        direction=direction(locale),
    )


def inline_styles(html: str) -> str:
    """Move a template's style rules onto its elements, where mail programs honour them; Jinja's marks survive."""
    return _INLINER.inline(html) if "<style" in html.lower() else html


def _text(item: Item, channel: str, *, listed: bool) -> str:
    """Say one notification in plain text; push and e-mail carry its title apart, unless it is one of many."""
    parts = [item.title] if listed or channel == "sms" else []
    if item.body:
        parts.append(item.body)
    if item.link and channel != "push":
        parts.append(item.link)
    return "\n".join(parts) or item.title


def _variables(case: Case) -> dict[str, Any]:
    content = case.content
    known = {name: content.get(name) for name in ("title", "body", "data", "action_url", "category")}
    return known | {"user_id": case.row["user_id"]} | (case.options.get("variables") or {})


def _ttl(case: Case) -> int | None:
    expires_at = case.row["expires_at"]
    if expires_at is None:
        return None
    return max(1, int((expires_at - case.row["decided_at"]).total_seconds()))


def _locale(case: Case) -> str:
    return str(case.row["locale"] or "en")


def _category(case: Case) -> str:
    title: str = case.row["category_title"] or case.row["category"].replace(".", " ").replace("_", " ").capitalize()
    return title
