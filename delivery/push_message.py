"""Pure: our message as Firebase's, one for Android, iOS and browsers.

`push` calls `compose`. Each platform gets the delivery's collapse id in its own place, so that a repetition replaces
what the device already shows. FCM and APNs refuse more than 4 KiB: texts are clipped by bytes, and only ids and
the link travel as data; the app fetches the rest.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from firebase_admin import messaging

from delivery.channel import Message

TITLE_BYTES = 256
TEXT_BYTES = 1024


def compose(message: Message) -> Any:
    """Build the SDK's message; raises nothing the SDK's own validation could object to later."""
    title, text = clip(message.title, TITLE_BYTES), clip(message.text, TEXT_BYTES)
    composed = messaging.Message(
        notification=messaging.Notification(title=title, body=text),
        data={**message.data, "delivery_id": message.delivery_id},
        android=_android(message),
        apns=_apns(message),
        webpush=_webpush(message),
    )
    # Set behind the constructor, which warns about tokens even where nothing else is known of a device.
    setattr(composed, message.address_kind, message.address)
    return composed


def collapse_id(message: Message) -> str:
    """Name what a device may show only once: at most 32 URL-safe characters, the narrowest limit (RFC 8030, 5.4)."""
    return hashlib.sha256(message.key.encode()).hexdigest()[:32]


def clip(text: str, limit_bytes: int) -> str:
    """Shorten to a number of UTF-8 bytes, with an ellipsis where something was cut."""
    encoded = text.encode()
    if len(encoded) <= limit_bytes:
        return text
    return encoded[: limit_bytes - 3].decode(errors="ignore") + "…"


def _android(message: Message) -> Any:
    return messaging.AndroidConfig(
        collapse_key=collapse_id(message),
        priority="high" if message.urgent else "normal",
        ttl=message.ttl_seconds,
        notification=messaging.AndroidNotification(tag=collapse_id(message)),
    )


def _apns(message: Message) -> Any:
    headers = {"apns-collapse-id": collapse_id(message), "apns-priority": "10" if message.urgent else "5"}
    if message.ttl_seconds is not None:
        headers["apns-expiration"] = str(int(time.time()) + message.ttl_seconds)
    return messaging.APNSConfig(headers=headers, payload=messaging.APNSPayload(aps=messaging.Aps(sound="default")))


def _webpush(message: Message) -> Any:
    headers = {"Topic": collapse_id(message), "Urgency": "high" if message.urgent else "normal"}
    if message.ttl_seconds is not None:
        headers["TTL"] = str(message.ttl_seconds)
    # The SDK refuses any other scheme for the link.
    secure = message.link if message.link and message.link.startswith("https://") else None
    return messaging.WebpushConfig(
        headers=headers,
        notification=messaging.WebpushNotification(tag=collapse_id(message)),
        fcm_options=messaging.WebpushFCMOptions(link=secure) if secure else None,
    )
