from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.quiet import QuietHours

NIGHT = QuietHours.parse("22:00", "07:00", "Europe/Berlin")
NAP = QuietHours.parse("13:00", "14:30", "UTC")


def moment(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "ends"),
    [
        (NAP, "2026-06-01T12:59:59", None),
        (NAP, "2026-06-01T13:00:00", "2026-06-01T14:30:00"),
        (NAP, "2026-06-01T14:29:59", "2026-06-01T14:30:00"),
        (NAP, "2026-06-01T14:30:00", None),
        # Berlin is two hours ahead in summer, one in winter.
        (NIGHT, "2026-06-01T19:59:00", None),
        (NIGHT, "2026-06-01T20:00:00", "2026-06-02T05:00:00"),
        (NIGHT, "2026-06-02T04:59:00", "2026-06-02T05:00:00"),
        (NIGHT, "2026-01-01T21:00:00", "2026-01-02T06:00:00"),
        # The nights in which the clocks change are an hour shorter or longer.
        (NIGHT, "2026-03-28T22:00:00", "2026-03-29T05:00:00"),
        (NIGHT, "2026-10-24T21:00:00", "2026-10-25T06:00:00"),
    ],
)
def test_a_quiet_window_ends_at_its_wall_clock_time(window, now, ends):
    """Quiet hours begin and end by the user's clock, over midnight and over changes to summer time."""
    assert window.ends_at(moment(now)) == (None if ends is None else moment(ends))


def test_an_end_that_the_clock_skips_still_comes():
    """On the day the clock jumps from two to three, a window until 02:30 ends right behind the jump."""
    window = QuietHours.parse("23:00", "02:30", "Europe/Berlin")
    assert window.ends_at(moment("2026-03-29T00:59:00")) == moment("2026-03-29T01:30:00")


def test_an_end_that_comes_twice_is_never_in_the_past():
    """In the repeated hour of autumn the window ends at the occurrence that is still to come."""
    window = QuietHours.parse("23:00", "02:30", "Europe/Berlin")
    assert window.ends_at(moment("2026-10-25T00:10:00")) == moment("2026-10-25T00:30:00")
    assert window.ends_at(moment("2026-10-25T01:10:00")) == moment("2026-10-25T01:30:00")


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]
CLOCKS = st.integers(0, 24 * 60 - 1).map(lambda minutes: f"{minutes // 60:02}:{minutes % 60:02}")


@given(CLOCKS, CLOCKS, st.sampled_from(ZONES), st.integers(0, 365 * 24 * 60))
def test_waiting_until_the_end_is_enough_and_bounded(start, end, zone, minutes):
    """Whoever waits as told finds the window closed, after less than a day and the change of a clock."""
    if start == end:
        return
    window = QuietHours.parse(start, end, zone)
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ends = window.ends_at(now)
    clock = now.astimezone(ZoneInfo(zone)).strftime("%H:%M")
    inside = start <= clock < end if start < end else clock >= start or clock < end
    assert (ends is not None) == inside
    if ends is not None:
        assert timedelta(0) < ends - now <= timedelta(hours=25)
        again = window.ends_at(ends)
        assert again is None or again - ends <= timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "end", "zone", "said"),
    [
        ("22", "07:00", "UTC", "'22' is not a time"),
        ("22:00", "25:00", "UTC", "'25:00' is not a time"),
        ("22:00", "22:00", "UTC", "must differ"),
        ("22:00", "07:00", "Mars/Olympus", "'Mars/Olympus' is not an IANA"),
        ("22:00", "07:00", "../etc/passwd", "is not an IANA"),
        ("22:00", "07:00", "", "is not an IANA"),
    ],
)
def test_what_is_wrong_with_quiet_hours_is_named(start, end, zone, said):
    """A bad time or zone is refused by name."""
    with pytest.raises(ValueError, match=said):
        QuietHours.parse(start, end, zone)
