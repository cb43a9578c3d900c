# SPDX-License-Identifier: Apache-2.0
"""What counters alone do not tell: freezes, rates, and what limits the stream; pure."""

from __future__ import annotations

from collections import deque

FREEZE_FRAMES = 30  # W3C: the mean is over the last 30 rendered intervals
FREEZE_EXTRA_US = 150_000
PAUSE_US = 5_000_000
_SECOND_US = 1_000_000
_SEGMENT_BYTES = 1448  # payload of one full TCP segment
_SEGMENT_HEADER_BYTES = 52  # IP and TCP with timestamps
_CURVE_BYTES = 33


def wire_bytes(message_bytes: int, *, encrypted: bool = False) -> int:
    """Bytes that a message takes on the link: ZMTP framing, CURVE, TCP and IP headers included."""
    framed = message_bytes + (2 if message_bytes < 256 else 9) + (_CURVE_BYTES if encrypted else 0)
    return framed + -(-framed // _SEGMENT_BYTES) * _SEGMENT_HEADER_BYTES


class FreezeDetector:
    """Freezes and pauses by the W3C definition, from the times at which frames were rendered.

    An interval is a freeze when it is at least max(3 x mean, mean + 150 ms), the mean being that
    of the last 30 intervals; a pause when it is over 5 s.
    """

    def __init__(self) -> None:
        self._intervals_us: deque[int] = deque(maxlen=FREEZE_FRAMES)
        self._last_us: int | None = None
        self.freezes = 0
        self.frozen_us = 0
        self.pauses = 0
        self.paused_us = 0

    def rendered(self, now_us: int) -> bool:
        """A frame came on screen; True when the gap before it was a freeze."""
        last_us, self._last_us = self._last_us, now_us
        if last_us is None:
            return False
        interval_us = now_us - last_us
        frozen = False
        if interval_us > PAUSE_US:
            self.pauses += 1
            self.paused_us += interval_us
        elif self._intervals_us:
            mean_us = sum(self._intervals_us) / len(self._intervals_us)
            frozen = interval_us >= max(3 * mean_us, mean_us + FREEZE_EXTRA_US)
            if frozen:
                self.freezes += 1
                self.frozen_us += interval_us
        self._intervals_us.append(interval_us)
        return frozen


class Rate:
    """Amount per second over the last whole second or so."""

    def __init__(self, *, span_us: int = _SECOND_US) -> None:
        self._span_us = span_us
        self._samples: deque[tuple[int, int]] = deque()
        self._sum = 0
        self._first_us: int | None = None

    def add(self, amount: int, now_us: int) -> None:
        """Something happened `amount` times."""
        if self._first_us is None:
            self._first_us = now_us
        self._samples.append((now_us, amount))
        self._sum += amount
        self._expire(now_us)

    def per_second(self, now_us: int) -> float:
        """The rate now."""
        if self._first_us is None:
            return 0.0
        self._expire(now_us)
        return self._sum * 1e6 / max(1, min(self._span_us, now_us - self._first_us + 1))

    def _expire(self, now_us: int) -> None:
        while self._samples and self._samples[0][0] <= now_us - self._span_us:
            self._sum -= self._samples.popleft()[1]


class Durations:
    """Time spent in each reason; `set` changes the present one."""

    def __init__(self, reason: str, now_us: int) -> None:
        self._reason = reason
        self._since_us = now_us
        self._spent_us: dict[str, int] = {}
        self.changes = 0

    @property
    def reason(self) -> str:
        """The present reason."""
        return self._reason

    def set(self, reason: str, now_us: int) -> bool:
        """Change the reason; True when it is a new one."""
        if reason == self._reason:
            return False
        self._spent_us = dict(self.spent_us(now_us))
        self._reason, self._since_us = reason, now_us
        self.changes += 1
        return True

    def spent_us(self, now_us: int) -> dict[str, int]:
        """Microseconds spent in each reason so far."""
        spent = dict(self._spent_us)
        spent[self._reason] = spent.get(self._reason, 0) + now_us - self._since_us
        return spent


class Limitation:
    """W3C `qualityLimitationReason`: what held most of the frames back during the last second.

    Frames vote one by one; a second in which fewer than a tenth were limited counts as "none".
    """

    def __init__(self, now_us: int) -> None:
        self.durations = Durations("none", now_us)
        self._votes: dict[str, int] = {}
        self._since_us = now_us

    @property
    def reason(self) -> str:
        """What limits the stream now: the majority of the last second."""
        return self.durations.reason

    def vote(self, reason: str, now_us: int) -> bool:
        """One frame was limited by `reason` ("none": it was not); True when the verdict changes."""
        self._votes[reason] = self._votes.get(reason, 0) + 1
        if now_us - self._since_us < _SECOND_US:
            return False
        votes, self._votes, self._since_us = self._votes, {}, now_us
        frames, free = sum(votes.values()), votes.pop("none", 0)
        limited = frames - free > frames // 10
        verdict = max(votes, key=lambda name: votes[name]) if limited else "none"
        return self.durations.set(verdict, now_us)
