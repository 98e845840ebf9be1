"""The settings of delivery: providers, patience, leases. One class beside the web node's, on the same ground.

Read from the environment with the prefix ``HUB_`` at start. What must fit together is checked here, because a lease
shorter than a request sends twice. A base URL points a provider at a local server, which needs no credentials.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from delivery.retry import Schedule
from hub.config import Shared, parse_rate

RATES = ("rate_limit_resend", "rate_limit_smtp", "rate_limit_twilio", "rate_limit_fcm", "rate_limit_webhook")


class DeliverySettings(Shared):
    """The settings of relay and worker; every field is the variable ``HUB_<FIELD>``."""

    # E-mail
    email_from: str | None = Field(None, description="sender of e-mails, as `Name <address>`")
    resend_api_key: str | None = Field(None, description="Resend's key, `re_…`")
    resend_base_url: str | None = Field(None, description="a local server in Resend's place")
    smtp_url: str | None = Field(None, description="second e-mail provider, `smtp://user:password@host:587`")

    # SMS
    twilio_account_sid: str | None = Field(None, description="Twilio's account, `AC…`")
    twilio_from: str | None = Field(None, description="sending number in E.164, or a messaging service:")
    twilio_messaging_service_sid: str | None = Field(None, description="Twilio's messaging service, `MG…`")
    twilio_base_url: str | None = Field(None, description="a local server in Twilio's place")

    # Push
    firebase_credentials: str | None = Field(None, description="service account: a path, or the JSON itself")
    fcm_base_url: str | None = Field(None, description="a local server in FCM's place")

    # Patience
    retry_cap_seconds: float = Field(3600, gt=0, description="highest ceiling of a backoff")
    retry_max_attempts: int = Field(12, ge=1, description="attempts until a delivery is dead")
    probe_after_seconds: float = Field(60, ge=0, description="until an unknown outcome is looked up")
    breaker_seconds: float = Field(30, gt=0, description="for which a failing provider is left alone")
    breaker_failures: int = Field(20, ge=1, description="failures in a row until then")

    # Leases
    provider_timeout_seconds: float = Field(15, gt=0, description="for a whole request to a provider")
    job_timeout_seconds: int = Field(30, ge=1, description="for a job of deliveries")
    send_lease_seconds: float = Field(90, gt=0, description="for which a worker owns a delivery")
    queue_lease_seconds: float = Field(60, gt=0, description="after which an unheard ring is repeated")

    # Retention
    tombstone_days: int = Field(30, ge=1, description="for which a removed notification is remembered, to be resumed")
    delivery_days: int = Field(90, ge=1, description="for which finished deliveries and their publications are kept")

    # Pace
    relay_poll_seconds: float = Field(0.2, gt=0, le=60, description="between two looks for what is due")
    job_deliveries: int = Field(100, ge=1, le=500, description="deliveries one job may carry under backlog")
    worker_jobs: int = Field(8, ge=1, le=100, description="jobs a worker has in hand at once")
    queue_jobs: int = Field(20, ge=1, description="jobs waiting in one RQ queue; the rest waits in Postgres")
    rate_limit_resend: str = Field("1000/second", description="e-mails to Resend")
    rate_limit_smtp: str = Field("1000/second", description="e-mails by SMTP")
    rate_limit_twilio: str = Field("1000/second", description="messages to Twilio")
    rate_limit_fcm: str = Field("10000/second", description="messages to FCM")
    rate_limit_webhook: str = Field("1000/second", description="webhooks to producers")

    @field_validator(*RATES)
    @classmethod
    def _rate(cls, value: str) -> str:
        parse_rate(value)
        return value

    @model_validator(mode="after")
    def _a_lease_outlives_its_request(self) -> Self:
        if not self.provider_timeout_seconds < self.job_timeout_seconds < self.send_lease_seconds:
            raise ValueError(
                "HUB_PROVIDER_TIMEOUT_SECONDS < HUB_JOB_TIMEOUT_SECONDS < HUB_SEND_LEASE_SECONDS must hold, or a"
                " delivery could be sent by two workers at once"
            )
        return self

    @model_validator(mode="after")
    def _providers_are_complete(self) -> Self:
        if (self.resend_api_key or self.smtp_url) and not self.email_from:
            raise ValueError("HUB_EMAIL_FROM is needed with HUB_RESEND_API_KEY or HUB_SMTP_URL")
        if self.twilio_account_sid and not self.twilio_auth_token:
            raise ValueError("HUB_TWILIO_AUTH_TOKEN is needed with HUB_TWILIO_ACCOUNT_SID")
        if self.twilio_account_sid and not (self.twilio_from or self.twilio_messaging_service_sid):
            raise ValueError(
                "HUB_TWILIO_FROM or HUB_TWILIO_MESSAGING_SERVICE_SID is needed with HUB_TWILIO_ACCOUNT_SID"
            )
        return self

    @model_validator(mode="after")
    def _a_key_does_not_outlive_its_publication(self) -> Self:
        if self.idempotency_hours > self.delivery_days * 24:
            raise ValueError("HUB_DELIVERY_DAYS must cover HUB_IDEMPOTENCY_HOURS, or a repeated publish has no answer")
        return self

    @property
    def schedule(self) -> Schedule:
        """How patient a delivery is."""
        return Schedule(
            self.retry_base_seconds, self.retry_cap_seconds, self.retry_max_attempts, self.probe_after_seconds
        )
