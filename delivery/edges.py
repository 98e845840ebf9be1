"""Which providers there are, and which of them is asked next.

`build` makes the edges that the settings name; `Edges.choose` picks one for a delivery, `Edges.endpoint` makes the one
to a producer. Failover only ever follows a definite refusal: once a provider may have a message, the delivery is pinned
to it. A closed provider is passed over; when all are closed the delivery waits for the first to open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from delivery.channel import Channel
from delivery.config import DeliverySettings
from delivery.destination import Endpoint
from delivery.http import Http
from delivery.webhook import Webhooks

LOCAL_SENDER = "Notification hub <hub@example.com>"
LOCAL_ACCOUNT = "AC" + "0" * 32
LOCAL_NUMBER = "+15005550006"


class Edges:
    """The providers of each channel, in order of preference; `webhooks` makes the edge to a producer's endpoint."""

    def __init__(self, by_channel: Mapping[str, Sequence[Channel]], webhooks: Webhooks | None = None) -> None:
        self.by_channel = by_channel
        self._webhooks = webhooks

    def named(self, provider: str) -> Channel | None:
        """Return a provider's edge, if it is configured."""
        return next((edge for edges in self.by_channel.values() for edge in edges if edge.provider == provider), None)

    def choose(
        self, channel: str, *, last: str | None, pinned: bool, closed: Mapping[str, datetime]
    ) -> Channel | datetime | None:
        """Return whom to ask, or until when to wait, or None if nobody serves the channel."""
        edges = list(self.by_channel.get(channel, ()))
        names = [edge.provider for edge in edges]
        if last in names:
            index = names.index(last)
            edges = [edges[index]] if pinned else edges[index + 1 :] + edges[: index + 1]
        if not edges:
            return None
        opened = next((edge for edge in edges if edge.provider not in closed), None)
        return opened or min(closed[edge.provider] for edge in edges)

    def endpoint(self, endpoint: Endpoint, closed: Mapping[str, datetime]) -> Channel | datetime | None:
        """Return the edge to an endpoint, or until when to wait, or None if webhooks are not sent."""
        if self._webhooks is None:
            return None
        edge = self._webhooks.to(endpoint)
        return closed.get(edge.provider, edge)

    def has_other(self, channel: str, provider: str, closed: Mapping[str, datetime]) -> bool:
        """Tell whether a provider further down the list could take over at once."""
        names = [edge.provider for edge in self.by_channel.get(channel, ())]
        return any(name not in closed for name in names[names.index(provider) + 1 :]) if provider in names else False

    async def close(self) -> None:
        """Release every edge."""
        for edges in self.by_channel.values():
            for edge in edges:
                await edge.close()
        if self._webhooks is not None:
            await self._webhooks.close()


def build(settings: DeliverySettings) -> Edges:
    """Make the edges the settings name; a vendor's SDK is imported only where it is used."""
    makers: dict[str, Sequence[Callable[[DeliverySettings], Channel | None]]] = {
        "email": (_resend, _smtp),
        "sms": (_twilio,),
        "push": (_fcm,),
    }
    made = {channel: [make(settings) for make in group] for channel, group in makers.items()}
    known = {channel: [edge for edge in edges if edge is not None] for channel, edges in made.items()}
    return Edges(known, Webhooks(settings))


def served(settings: DeliverySettings) -> dict[str, list[str]]:
    """Name each channel's providers without making them: what the relay needs to know."""
    named: dict[str, dict[str, object]] = {
        "email": {"resend": settings.resend_api_key or settings.resend_base_url, "smtp": settings.smtp_url},
        "sms": {"twilio": settings.twilio_account_sid or settings.twilio_base_url},
        "push": {"fcm": settings.firebase_credentials or settings.fcm_base_url},
        "webhook": {"webhook": True},
    }
    return {channel: [name for name, given in group.items() if given] for channel, group in named.items()}


def _http(settings: DeliverySettings) -> Http:
    return Http(
        total_seconds=settings.provider_timeout_seconds, connections=settings.job_deliveries * settings.worker_jobs
    )


def _resend(settings: DeliverySettings) -> Channel | None:
    if not (settings.resend_api_key or settings.resend_base_url):
        return None
    from delivery.email import Resend

    api_key = settings.resend_api_key or "re_local"
    return Resend(_http(settings), api_key=api_key, base_url=settings.resend_base_url)


def _smtp(settings: DeliverySettings) -> Channel | None:
    if not settings.smtp_url:
        return None
    from delivery.smtp import Smtp

    return Smtp(settings.smtp_url, timeout_seconds=settings.provider_timeout_seconds)


def _twilio(settings: DeliverySettings) -> Channel | None:
    if not (settings.twilio_account_sid or settings.twilio_base_url):
        return None
    from delivery.sms import Twilio

    return Twilio(
        _http(settings),
        account_sid=settings.twilio_account_sid or LOCAL_ACCOUNT,
        auth_token=settings.twilio_auth_token or "local",
        messaging_service_sid=settings.twilio_messaging_service_sid,
        base_url=settings.twilio_base_url,
    )


def _fcm(settings: DeliverySettings) -> Channel | None:
    if not (settings.firebase_credentials or settings.fcm_base_url):
        return None
    from delivery.push import Fcm

    return Fcm(
        firebase_credentials=settings.firebase_credentials,
        base_url=settings.fcm_base_url,
        timeout_seconds=settings.provider_timeout_seconds,
    )
