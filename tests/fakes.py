# SPDX-License-Identifier: Apache-2.0
"""A codec without networks: real packets and true digests around zlib, for fast tests."""

from __future__ import annotations

import hashlib
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.errors import EndOfSource, SourceError
from services.media.sources.source import CapturedFrame
from streamcodec.bitstream import QUALITIES, PacketHeader, digest_after, pack, unpack
from streamcodec.codec import Codec, Decoded, Encoded
from streamcodec.effort import Effort
from streamcodec.errors import FrameError, ModelError, PayloadError, ReferenceMissing
from streamcodec.frame import Frame, Plane, Reference
from streamcodec.parallel import Threads

_FLAT = 128


class FakeCodec(Codec):
    """Codes `frame - reference`, quantised by the quality and deflated.

    Behaves like `Codec` in everything that the services can see: headers, digests, budgets,
    refusals. `encode_delay_s` and `decode_delay_s` make it as slow as a test wants;
    `fail_decoding` makes every decode raise RuntimeError, as a bug or a lost device would.
    """

    def __init__(
        self,
        *,
        model: bytes = b"fake",
        encode_delay_s: float = 0.0,
        decode_delay_s: float = 0.0,
        self_test: bytes = b"selftest",
    ) -> None:
        self.model_hash = hashlib.blake2b(model, digest_size=8).digest()
        self.size = "S"
        self.device = "cpu"
        self.effort = Effort.NORMAL
        self.encode_delay_s = encode_delay_s
        self.decode_delay_s = decode_delay_s
        self.fail_decoding = False
        self.encoding_threads: set[int] = set()
        self.decoding_threads: set[int] = set()
        self._self_test = self_test

    def rest(self) -> None:
        """It holds nothing."""

    @classmethod
    def load(
        cls,
        size: str = "S",
        *,
        device: str = "auto",
        weights: Path | None = None,
        effort: Effort = Effort.NORMAL,
        encoder: str = "auto",
        threads: Threads | None = None,
    ) -> FakeCodec:
        """A fake of any size; the rest is accepted and ignored."""
        codec = cls(model=b"fake" + size.encode())
        codec.size = size
        return codec

    def sharing(self, _threads: object) -> FakeCodec:
        """Nothing here can be done at once."""
        return self

    def trying(self, effort: str) -> FakeCodec:
        """Every effort costs the same."""
        del effort
        return self

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        """See `Codec.encode`; the budget is met by bisection over the 64 qualities."""
        self.encoding_threads.add(threading.get_ident())
        if quality is None and budget_bytes is None:
            raise ValueError("give quality, budget_bytes, or both")
        if reference is not None and reference.frame.y.shape != frame.y.shape:
            raise FrameError("reference has another size than the frame; code a keyframe")
        if self.encode_delay_s:
            time.sleep(self.encode_delay_s)
        keyframe = reference is None
        if budget_bytes is None:
            assert quality is not None
            packet, decoded = self._code(frame, reference, quality)
        else:
            finest = QUALITIES - 1 if quality is None else quality
            fitting = self._fit(frame, reference, budget_bytes, finest)
            if fitting is None:
                return Encoded(None, None, -1, keyframe)
            quality, packet, decoded = fitting
        return Encoded(packet, _after(decoded, packet, reference, quality), quality, keyframe)

    def decode(self, packet: bytes, reference: Reference | None = None) -> Decoded:
        """See `Codec.decode`."""
        self.decoding_threads.add(threading.get_ident())
        if self.fail_decoding:
            raise RuntimeError("the fake codec was told to fail")
        if self.decode_delay_s:
            time.sleep(self.decode_delay_s)
        header, payload = unpack(packet)
        if header.keyframe:
            if header.reference != self.model_hash:
                raise ModelError(
                    f"packet was made with model {header.reference.hex()}, "
                    f"this decoder holds {self.model_hash.hex()}"
                )
            reference = None
            shapes = _shapes(header.width, header.height)
        else:
            if reference is None or reference.digest != header.reference:
                raise ReferenceMissing(f"packet needs reference {header.reference.hex()}")
            shapes = _shapes(reference.frame.width, reference.frame.height)
        symbols = _inflate(payload, sum(h * w for h, w in shapes))
        frame = _rebuild(symbols, shapes, _predict(reference, shapes), _step(header.quality))
        return Decoded(frame, _after(frame, packet, reference, header.quality))

    def self_test(self) -> bytes:
        return self._self_test

    def warm_up(self, width: int, height: int) -> None:
        """Nothing to compile."""

    def _fit(
        self, frame: Frame, reference: Reference | None, budget_bytes: int, finest: int
    ) -> tuple[int, bytes, Frame] | None:
        low, high, best = 0, finest, None
        while low <= high:
            middle = (low + high) // 2
            packet, decoded = self._code(frame, reference, middle)
            if len(packet) <= budget_bytes:
                best, low = (middle, packet, decoded), middle + 1
            else:
                high = middle - 1
        return best

    def _code(self, frame: Frame, reference: Reference | None, quality: int) -> tuple[bytes, Frame]:
        shapes = _shapes(frame.width, frame.height)
        prediction = _predict(reference, shapes)
        step = _step(quality)
        difference = _flat(frame).astype(np.int16) - prediction
        symbols = np.clip(np.rint(difference / step), -127, 127).astype(np.int8)
        header = PacketHeader(
            keyframe=reference is None,
            quality=quality,
            stages=0,
            reference=self.model_hash if reference is None else reference.digest,
            width=frame.width if reference is None else 0,
            height=frame.height if reference is None else 0,
        )
        packet = pack(header, zlib.compress(symbols.tobytes(), 1))
        return packet, _rebuild(symbols, shapes, prediction, step)


def noise_frame(width: int = 64, height: int = 48, *, seed: int = 0, shift: int = 0) -> Frame:
    """A smooth random texture moved right by `shift` pixels: natural enough to cost bytes."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 210, (height // 8 + 2, width // 8 + 2))
    fine = np.kron(coarse, np.ones((8, 8), int))[:height, :width]
    y = np.roll(fine, shift, axis=1) + rng.integers(-3, 4, (height, width))
    half = ((height + 1) // 2, (width + 1) // 2)
    return Frame(
        np.clip(y, 0, 255).astype(np.uint8),
        np.full(half, 100 + seed % 50, np.uint8),
        np.full(half, 150, np.uint8),
    )


def _step(quality: int) -> int:
    return max(2, round(2 ** ((QUALITIES - quality) / 9)))


def _shapes(width: int, height: int) -> list[tuple[int, int]]:
    half = ((height + 1) // 2, (width + 1) // 2)
    return [(height, width), half, half]


def _flat(frame: Frame) -> npt.NDArray[np.uint8]:
    return np.concatenate([plane.ravel() for plane in frame.planes])


def _predict(reference: Reference | None, shapes: list[tuple[int, int]]) -> npt.NDArray[np.int16]:
    if reference is None:
        return np.full(sum(h * w for h, w in shapes), _FLAT, np.int16)
    return _flat(reference.frame).astype(np.int16)


def _inflate(payload: bytes, size: int) -> npt.NDArray[np.int8]:
    """Inflate to exactly `size` symbols, never allocating more than that."""
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(payload, size)
    except zlib.error as error:
        raise PayloadError(f"payload of {len(payload)} bytes does not inflate") from error
    if len(data) != size:
        raise PayloadError(f"payload holds {len(data)} symbols, expected {size}")
    return np.frombuffer(data, np.int8)


def _rebuild(
    symbols: npt.NDArray[np.int8],
    shapes: list[tuple[int, int]],
    prediction: npt.NDArray[np.int16],
    step: int,
) -> Frame:
    samples = np.clip(prediction + symbols.astype(np.int16) * step, 0, 255).astype(np.uint8)
    planes: list[Plane] = []
    start = 0
    for height, width in shapes:
        planes.append(samples[start : start + height * width].reshape(height, width))
        start += height * width
    return Frame(*planes)


def _after(frame: Frame, packet: bytes, reference: Reference | None, quality: int) -> Reference:
    before = b"" if reference is None else reference.digest
    return Reference(frame, digest_after(packet, before), quality)


class FakeSource:
    """A moving texture at a steady rate; `count` frames, or for ever.

    `resize` switches the size after that many frames. `failures` makes that many reads raise
    SourceError first, as a camera that comes late. Not `live`, it is a file.
    """

    name = "fake"

    def __init__(  # each knob is one test's subject
        self,
        *,
        width: int = 64,
        height: int = 48,
        fps: float = 100.0,
        count: int | None = None,
        resize: tuple[int, int, int] | None = None,
        failures: int = 0,
        live: bool = True,
    ) -> None:
        self.live = live
        self.width, self.height, self.fps = width, height, fps
        self.closed = False
        self.frames_read = 0
        self._count = count
        self._resize = resize
        self._failures = failures
        self._due_s = time.monotonic()

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """The next frame at its time."""
        if self._failures:
            self._failures -= 1
            raise SourceError("the fake camera is not there yet")
        if self._count is not None and self.frames_read >= self._count:
            raise EndOfSource("the fake source is over")
        self._due_s = max(self._due_s + 1 / self.fps, time.monotonic() - 0.1)
        wait_s = self._due_s - time.monotonic()
        if wait_s > timeout_s:
            self._due_s -= 1 / self.fps
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        if self._resize is not None and self.frames_read == self._resize[0]:
            self.width, self.height = self._resize[1:]
        frame = noise_frame(self.width, self.height, seed=7, shift=self.frames_read % 40)
        self.frames_read += 1
        return CapturedFrame(frame, time.monotonic_ns() // 1000)

    def close(self) -> None:
        self.closed = True


class FakeSink:
    """Keeps what it was shown; `delay_s` makes it a slow screen."""

    def __init__(self, *, delay_s: float = 0.0, every_frame: bool = False) -> None:
        self.frames: list[Frame] = []
        self.packets: list[bytes | None] = []
        self.delay_s = delay_s
        self.every_frame = every_frame
        self.closed = False

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Show a frame."""
        if self.delay_s:
            time.sleep(self.delay_s)
        self.frames.append(frame)
        self.packets.append(packet)

    def close(self) -> None:
        self.closed = True
