# SPDX-License-Identifier: Apache-2.0
"""How a sender ends with its source: a file that breaks off is told, and has its exit code."""

from __future__ import annotations

import pytest

from services.errors import EXIT_SOURCE, SourceError
from services.measure.source_health import SourceHealth
from services.sender.daemon import Sender, SenderConfig
from services.wire.endpoint import Endpoint
from tests.fakes import FakeCodec, FakeSource
from tests.integration.test_stream import ANY_PORT

pytestmark = pytest.mark.live


class BreaksOff(FakeSource):
    """A file of a few frames whose end cannot be read."""

    health = SourceHealth(frames_damaged=3, buffered_us=120_000)

    def read(self, timeout_s: float):  # type: ignore[no-untyped-def]  # as the fake's
        if getattr(self, "left", 3) <= 0:
            raise SourceError("a.mp4: unreadable after frame 3 (it breaks off)")
        self.left = getattr(self, "left", 3) - 1
        return super().read(timeout_s)


def test_a_file_that_breaks_off_ends_its_sender_with_its_sentence() -> None:
    sender = Sender(
        SenderConfig(Endpoint(ANY_PORT, bind=True)),
        codec=FakeCodec(),
        source=BreaksOff(width=32, height=32, fps=50.0, live=False),
    )
    with pytest.raises(SourceError, match="unreadable after frame 3") as caught:
        sender.run(30)
    assert caught.value.exit_code == EXIT_SOURCE
    assert sender.snapshot().frames_captured == 3


def test_a_sender_tells_what_its_source_left_out() -> None:
    sender = Sender(
        SenderConfig(Endpoint(ANY_PORT, bind=True)),
        codec=FakeCodec(),
        source=BreaksOff(width=32, height=32, fps=50.0, live=False),
    )
    found = sender.snapshot()
    assert (found.frames_damaged, found.source_buffer_us) == (3, 120_000)
    assert found.as_json()["framesDamaged"] == 3
    assert found.as_json()["sourceBuffer_ms"] == 120
    sender.stop()
