"""Where a user can be reached outside: what a service may say of it, checked by the libraries that know.

Pure. An e-mail address is kept as email-validator normalizes it, without asking the DNS: an answer that depends on the
network would be another one tomorrow. A phone number is kept in E.164 if its length is one its country has; whether it
is assigned the provider knows better than a table, which is older than the newest range. Both libraries come in with
the first address: most nodes start often and are told addresses seldom.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from hub.publication import Request


def _email(text: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "{reason}", {"reason": str(error)}) from None


def _phone(text: str) -> str:
    import phonenumbers

    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise PydanticCustomError("phone", "must be a phone number with its country, such as +4930901820")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, KeyError, OSError):  # a path outside the database, an unknown name, a directory
        raise PydanticCustomError("zone", "must be an IANA time zone such as Europe/Berlin") from None
    return text


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
Phone = Annotated[str, Field(max_length=40), AfterValidator(_phone)]
Locale = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]


class Contact(Request):
    """Where a user can be reached, and in which language and time zone; what is left out is not known."""

    email: Email | None = None
    phone: Phone | None = None
    locale: Locale | None = None
    timezone: Zone | None = None
