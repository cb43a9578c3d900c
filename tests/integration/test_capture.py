# SPDX-License-Identifier: Apache-2.0
"""The Python receiver reads a live stream like cv2.VideoCapture."""

from __future__ import annotations

import numpy as np
import pytest

from services import Receiver
from services.errors import ConfigError
from services.wire.endpoint import Endpoint
from tests.fakes import FakeCodec, FakeSource
from tests.integration.test_stream import make_sender, running

pytestmark = pytest.mark.live


def test_pictures_are_bgr_and_know_when_they_were_captured() -> None:
    sender = make_sender()
    with running(sender), Receiver(sender.url, codec=FakeCodec()) as stream:
        found, picture = stream.read(5.0)
        assert found
        assert picture is not None
        assert picture.shape == (48, 64, 3)
        assert picture.dtype == np.uint8
        assert picture.meta.sequence > 0
        assert picture.meta.captured_us is not None
        assert picture.meta.latency_us is not None
        assert picture.meta.latency_us > 0
        assert picture.meta.latency_error_us == 0  # one machine, one clock
        assert next(iter(stream)).meta.sequence > picture.meta.sequence


def test_iteration_ends_with_the_stream() -> None:
    sender = make_sender(source=FakeSource(count=30, live=False))
    with running(sender), Receiver(sender.url, codec=FakeCodec()) as stream:
        pictures = list(stream)
    assert pictures


def test_read_gives_up_after_its_timeout() -> None:
    with Receiver("tcp://127.0.0.1:9", codec=FakeCodec()) as stream:
        assert stream.read(0.05) == (False, None)
        assert stream.isOpened()
    assert not stream.isOpened()


def test_another_model_is_refused_with_a_sentence() -> None:
    sender = make_sender()
    with (
        running(sender),
        Receiver(sender.url, codec=FakeCodec(model=b"other")) as stream,
        pytest.raises(ConfigError, match="same size and weights"),
    ):
        stream.read(5.0)


def test_an_open_address_without_keys_is_refused() -> None:
    with pytest.raises(ConfigError, match="without keys"):
        Receiver("tcp://0.0.0.0:0", bind=True, codec=FakeCodec())
    assert Endpoint("tcp://0.0.0.0:0", bind=True, insecure=True).insecure
