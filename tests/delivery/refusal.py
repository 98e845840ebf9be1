"""How a test says what must come of a misbehaving provider."""

import pytest

from delivery.channel import SendError


async def refused(sending, kind, **expected):
    """Await a send that must fail with exactly `kind`, and compare the error's fields."""
    with pytest.raises(SendError) as caught:
        await sending
    error = caught.value
    assert type(error) is kind, f"expected {kind.__name__}, got {type(error).__name__}: {error.detail}"
    assert {name: getattr(error, name) for name in expected} == expected
    assert error.detail
    return error
