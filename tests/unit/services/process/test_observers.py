# SPDX-License-Identifier: Apache-2.0
"""Observers are told until they are removed."""

from __future__ import annotations

from services.process.observers import Observers


def test_each_is_told_in_order_until_it_is_removed() -> None:
    told: list[str] = []
    observers: Observers[int] = Observers()
    remove = observers.add(lambda item: told.append(f"a{item}"))
    observers.add(lambda item: told.append(f"b{item}"))
    observers.tell(1)
    remove()
    remove()
    observers.tell(2)
    assert told == ["a1", "b1", "b2"]
