"""Pure: a user's quiet hours, and when they end.

`policy` asks `ends_at`; the preferences API validates with `QuietHours.parse`. Times are wall-clock times in the
user's zone, so a window keeps its meaning over a change to summer time: an end that is skipped falls behind the jump,
one that happens twice counts as often as the clock shows it. Equal start and end would mean nothing or everything,
depending on whom you ask, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` in `zone`, over midnight when `start` is the later one."""

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def parse(cls, start: str, end: str, timezone: str) -> QuietHours:
        """Read ``22:00``, ``07:00`` and an IANA zone; raise `ValueError` saying which one is wrong."""
        times = [_time(start), _time(end)]
        if times[0] == times[1]:
            raise ValueError("start and end must differ")
        return cls(times[0], times[1], _zone(timezone))

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when the current quiet window ends, in UTC, or None outside of it."""
        local = now.astimezone(self.zone)
        clock = local.time().replace(tzinfo=None, fold=0)
        if not self._holds(clock):
            return None
        day = local.date() if clock < self.end else local.date() + timedelta(days=1)
        end = datetime.combine(day, self.end, self.zone)
        # In the repeated hour of autumn the first occurrence of the end may lie behind us.
        first, second = (end.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        return first if first > now else second

    def _holds(self, clock: time) -> bool:
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}–{self.end:%H:%M} {self.zone.key}"


def _time(text: str) -> time:
    try:
        return datetime.strptime(text, "%H:%M").time()
    except ValueError:
        raise ValueError(f"{text!r} is not a time such as 22:00") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # a path outside the database, an unknown name, a directory
        raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from None
