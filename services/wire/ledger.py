# SPDX-License-Identifier: Apache-2.0
"""Accounts of the bytes of each connection of a port, and which to cut; pure.

The library hands over whole messages and keeps all parts of one until its last has come, without a
bound (docs/decisions/0010-hostile-peers.md). So each connection has an account: bytes that the
kernel took in for it, less those of messages that were handed over. The rest waits in memory,
and a connection with too much of it is cut. The peer that the port trusts, a receiver's sender,
may have a whole packet waiting; all others may only send small messages, at a small rate.

Whole messages of a closed connection wait for their turn all the same. While too many of them wait,
new connections are refused: else a peer that was cut comes back and adds as much again.
"""

from __future__ import annotations

from dataclasses import dataclass

OVERHEAD_BYTES = 96  # of a message: framing, CURVE, and the heartbeats between it and the last
BURST_S = 2.0  # what a connection may send ahead of its rate
SILENT_US = 15_000_000  # honest peers send twice a second
CALM_BYTES = 512 * 1024  # waiting at one port in all, which is harmless
_MUTE_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one connection may do, and how many there may be."""

    waiting_bytes: int = 128 * 1024
    trusted_waiting_bytes: int = 128 * 1024
    bytes_per_s: int = 512 * 1024
    connections: int = 256


@dataclass(frozen=True, slots=True)
class Cut:
    """A connection to end, with the reason for the log."""

    number: int
    reason: str


@dataclass(slots=True)
class _Account:
    heard_us: int  # when its last whole message came, or it was opened
    filled_us: int
    budget_bytes: float
    trusted: bool
    received: int = 0
    settled: int = 0  # of those, with a message that was handed over
    waiting: int = 0  # and without
    spoke: bool = False


class Ledger:
    """Accounts of the connections of one port by number. Not thread-safe.

    `all_trusted` is for an end that connects: it has one peer, which it chose, and does not mind
    silence.
    """

    def __init__(self, allowance: Allowance, *, all_trusted: bool = False) -> None:
        self._allowance = allowance
        self._all_trusted = all_trusted
        self._accounts: dict[int, _Account] = {}
        self._left_bytes = 0

    @property
    def left_bytes(self) -> int:
        """Bytes of closed connections, since the port last had nothing to hand over."""
        return self._left_bytes

    @property
    def is_full(self) -> bool:
        """Whether so much waits of closed connections that new ones are refused; never for an end
        that connects."""
        return self._left_bytes > CALM_BYTES and not self._all_trusted

    def drained(self) -> None:
        """All messages that were whole have been handed over."""
        self._left_bytes = 0

    def overrun(self) -> None:
        """Memory has grown and the port does not catch up with what waits."""
        self._left_bytes = max(self._left_bytes, CALM_BYTES + 1)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the connections that are open."""
        return tuple(self._accounts)

    def opened(self, number: int, now_us: int) -> Cut | None:
        """A new connection; the one to cut where there are too many: the oldest without a whole
        message, else the new one."""
        budget = BURST_S * self._allowance.bytes_per_s
        self._accounts.pop(number, None)
        self._accounts[number] = _Account(now_us, now_us, budget, self._all_trusted)
        if len(self._accounts) <= self._allowance.connections:
            return None
        mute = (n for n, a in self._accounts.items() if not a.spoke)
        return self._cut(next(mute), "too many connections")

    def closed(self, number: int) -> None:
        """It is closed. What came from it is still to be handed over."""
        account = self._accounts.pop(number, None)
        if account is not None:
            self._left_bytes += max(0, account.received - account.settled)

    def has_spoken(self, number: int) -> bool:
        """Whether a whole message came from it; True for one that is not known (any more)."""
        account = self._accounts.get(number)
        return account is None or account.spoke

    def delivered(self, number: int, size_bytes: int, now_us: int) -> None:
        """A whole message of it was handed over."""
        account = self._accounts.get(number)
        if account is not None:
            account.settled += size_bytes + OVERHEAD_BYTES
            account.heard_us = now_us
            account.spoke = True

    def trust(self, number: int) -> None:
        """This is the one peer that sends packets; nobody else is from now on."""
        if not self._all_trusted:
            for other, account in self._accounts.items():
                account.trusted = other == number

    def judge(
        self, received: dict[int, int | None], now_us: int, *, pressed: bool = False
    ) -> list[Cut]:
        """Which to cut, from what the kernel counts for each (None: it does not count).

        `pressed`: the process has grown since the accounts were last settled. Then connections with
        most bytes waiting are cut, until little waits.
        """
        cuts = []
        for number, total in received.items():
            account = self._accounts.get(number)
            if account is None:
                continue
            reason = self._fault(account, total, now_us)
            if reason:
                cuts.append(self._cut(number, reason))
        if pressed:
            waiting = self.waiting_bytes_of_all
            for number, account in sorted(
                self._accounts.items(), key=lambda item: item[1].waiting, reverse=True
            ):
                if waiting <= CALM_BYTES:
                    break
                waiting -= account.waiting
                cuts.append(self._cut(number, "memory ran low while its messages were incomplete"))
        return cuts

    @property
    def waiting_bytes_of_all(self) -> int:
        """Bytes received and not handed over, of all, when they were last judged."""
        return sum(account.waiting for account in self._accounts.values())

    def _fault(self, account: _Account, total: int | None, now_us: int) -> str:
        allowed = self._allowance
        if not self._all_trusted and now_us - account.heard_us > SILENT_US:
            return "silent"
        if total is None:  # an honest peer sends a whole message twice a second
            mute = now_us - account.heard_us > _MUTE_US
            account.waiting = CALM_BYTES + 1 if mute else 0
            return ""
        fresh = max(0, total - account.received)
        account.received = total
        account.settled = min(account.settled, total)  # no credit for later
        account.waiting = waiting = total - account.settled
        most = allowed.trusted_waiting_bytes if account.trusted else allowed.waiting_bytes
        if waiting > most:
            return f"left {waiting} bytes of incomplete messages, at most {most} are allowed"
        if account.trusted:
            return ""
        rate = allowed.bytes_per_s
        refill = rate * (now_us - account.filled_us) / 1e6
        account.budget_bytes = min(BURST_S * rate, account.budget_bytes + refill) - fresh
        account.filled_us = now_us
        return f"sends more than {rate} bytes a second" if account.budget_bytes < 0 else ""

    def _cut(self, number: int, reason: str) -> Cut:
        self.closed(number)
        return Cut(number, reason)
