# SPDX-License-Identifier: Apache-2.0
"""The first signal asks to stop."""

from __future__ import annotations

import signal

import pytest

from services.commands.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_sets_the_event(number: signal.Signals) -> None:
    with stop_on_signals() as stopped:
        assert not stopped.is_set()
        signal.raise_signal(number)
        assert stopped.wait(10.0)


def test_former_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
