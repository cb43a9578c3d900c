# SPDX-License-Identifier: Apache-2.0
"""Threads hand over the newest item, or everything within a bound, and end together."""

from __future__ import annotations

import threading

from services.process.clock import boot_id
from services.process.threads import Crew, Mailbox, Queue


def test_a_mailbox_keeps_the_newest_item_only() -> None:
    box: Mailbox[int] = Mailbox()
    assert box.put(1) is None
    assert box.put(2) == 1
    assert box.take(0.0) == 2
    assert box.take(0.0) is None


def test_a_closed_mailbox_does_not_hold_its_reader() -> None:
    box: Mailbox[int] = Mailbox()
    found: list[int | None] = []
    reader = threading.Thread(target=lambda: found.append(box.take(60.0)))
    reader.start()
    box.close()
    reader.join(5.0)
    assert found == [None]


def test_a_queue_refuses_what_exceeds_its_bound() -> None:
    queue: Queue[int] = Queue(2)
    assert [queue.put(item) for item in (1, 2, 3)] == [True, True, False]
    assert [queue.take(0.0), queue.take(0.0), queue.take(0.0)] == [1, 2, None]
    queue.put(4)
    assert queue.clear() == [4]


def test_a_queue_is_full_by_weight_too_but_takes_one_of_any_weight() -> None:
    queue: Queue[bytes] = Queue(10, weight=len, most_weight=100)
    assert queue.put(bytes(500))
    assert not queue.put(b"x")
    queue.take(0.0)
    assert [queue.put(bytes(60)), queue.put(bytes(40)), queue.put(b"x")] == [True, True, False]
    queue.clear()
    assert queue.put(bytes(100))


def test_the_first_error_of_a_crew_stops_all_and_is_kept() -> None:
    crew = Crew()
    crew.start("idle", lambda: _wait(crew))
    crew.start("broken", _fail)
    crew.stopping.wait(5.0)
    crew.join()
    assert isinstance(crew.error, ZeroDivisionError)


def _wait(crew: Crew) -> None:
    crew.stopping.wait(60.0)


def _fail() -> None:
    raise ZeroDivisionError


def test_the_boot_has_a_name_of_16_bytes_or_none() -> None:
    assert len(boot_id()) in (0, 16)
