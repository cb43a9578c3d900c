# SPDX-License-Identifier: Apache-2.0
"""A recording plays back what was decoded."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from services.errors import SourceError
from services.measure.source_health import health_of
from services.media.sources import open_source
from streamcodec.codec import Codec
from streamcodec.container import FileHeader, ScvWriter
from streamcodec.frame import Frame
from tests.fakes import FakeCodec
from tests.unit.services.media.sources.clocks import ManualClock, grey


def record(path: Path, codec: FakeCodec) -> list[Frame]:
    header = FileHeader("S", codec.model_hash, Fraction(25))
    shown, reference = [], None
    with ScvWriter.create(path, header) as writer:
        for number in range(3):
            encoded = codec.encode(grey(number * 50), reference, quality=63)
            assert encoded.packet is not None
            assert encoded.reference is not None
            reference = encoded.reference
            shown.append(reference.frame)
            writer.write(encoded.packet, timestamp_us=number * 40_000)
    return shown


def test_a_recording_plays_back_what_was_decoded(tmp_path: Path) -> None:
    codec = FakeCodec()
    shown = record(tmp_path / "a.scv", codec)
    sizes: list[str] = []

    def load(size: str) -> Codec:
        sizes.append(size)
        return codec

    source = open_source(str(tmp_path / "a.scv"), clock=ManualClock(), load_codec=load)
    frames = [captured.frame for _ in shown if (captured := source.read(1))]
    assert all(a.same_pixels(b) for a, b in zip(frames, shown, strict=True))
    assert sizes == ["S"]


def test_a_recording_goes_on_after_a_gap_and_after_damage(tmp_path: Path) -> None:
    codec, path, hour_us = FakeCodec(), tmp_path / "a.scv", 3_600_000_000
    with ScvWriter.create(path, FileHeader("S", codec.model_hash, Fraction(25))) as writer:
        reference = None
        for number in range(12):
            reference = reference if number % 4 else None
            encoded = codec.encode(grey(10 * number), reference, quality=63)
            assert encoded.packet is not None
            reference = encoded.reference
            packet = bytearray(encoded.packet)
            if number == 6:
                packet[-6] ^= 0xFF
            writer.write(bytes(packet), timestamp_us=40_000 * number + hour_us * (number >= 4))
    source = open_source(str(path), clock=ManualClock(), load_codec=lambda _size: codec)
    times = [captured.captured_us for _ in range(10) if (captured := source.read(1))]
    steps = np.diff(times)
    assert steps.tolist() == [40_000] * 5 + [120_000] + [40_000] * 3
    assert health_of(source).frames_damaged == 2


def test_a_recording_of_another_model_is_refused(tmp_path: Path) -> None:
    record(tmp_path / "a.scv", FakeCodec())
    with pytest.raises(SourceError, match="was made with model"):
        open_source(
            str(tmp_path / "a.scv"),
            clock=ManualClock(),
            load_codec=lambda _size: FakeCodec(model=b"other"),
        )
