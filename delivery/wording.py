"""Pure: the few words the default layout adds to a producer's own, by language.

`render` looks them up by the reader's locale; a language that is not here gets English, a template of its own says
everything itself.
"""

from __future__ import annotations

from dataclasses import dataclass

RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})


@dataclass(frozen=True, slots=True)
class Words:
    """What the layout says."""

    open: str
    why: str
    unsubscribe: str
    digest: str


ENGLISH = Words(
    open="Open",
    why="You receive this because of your settings for “{category}”.",
    unsubscribe="Unsubscribe",
    digest="{count} new: {category}",
)
BY_LANGUAGE = {
    "en": ENGLISH,
    "de": Words(
        open="Öffnen",
        why="Sie erhalten dies aufgrund Ihrer Einstellungen für „{category}“.",
        unsubscribe="Abbestellen",
        digest="{count} Neuigkeiten: {category}",
    ),
    "fr": Words(
        open="Ouvrir",
        why="Vous recevez ce message selon vos préférences pour « {category} ».",
        unsubscribe="Se désabonner",
        digest="{count} nouveautés : {category}",
    ),
    "es": Words(
        open="Abrir",
        why="Recibes esto por tus preferencias de «{category}».",
        unsubscribe="Darse de baja",
        digest="{count} novedades: {category}",
    ),
    "ar": Words(
        open="فتح",
        why="تصلك هذه الرسالة وفق إعداداتك لـ«{category}».",
        unsubscribe="إلغاء الاشتراك",
        digest="{count} جديد: {category}",
    ),
}


def words(locale: str) -> Words:
    """Return the words of a locale's language."""
    return BY_LANGUAGE.get(language(locale), ENGLISH)


def language(locale: str) -> str:
    """Return the language of a BCP 47 tag."""
    return locale.partition("-")[0].lower()


def direction(locale: str) -> str:
    """Return the writing direction of a locale, as HTML names it."""
    return "rtl" if language(locale) in RIGHT_TO_LEFT else "ltr"
