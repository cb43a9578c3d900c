# SPDX-License-Identifier: Apache-2.0
"""Whole frames on a device: whether streams equal the processor's, and their times."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from streamcodec import _core
from streamcodec.codec import Codec
from streamcodec.correction import Networks, Stage
from streamcodec.dense import (
    analysis,
    compensate,
    motion,
    quantise,
    quarters,
    squares,
    transform,
)
from streamcodec.dense.device import Device
from streamcodec.dense.prior import Frame as PriorFrame
from streamcodec.dense.transfers import Transfers
from streamcodec.frame import Frame
from streamcodec.model import Model

_QUALITY = 30
_KEY_EVERY = 60
# Stage, and a function that belongs to it, where its callers look it up. Nested calls count for the
# innermost stage only.
_STAGES: tuple[tuple[str, object, str], ...] = (
    ("upload", Transfers, "up"),
    ("download", Transfers, "down"),
    ("shifted planes", analysis, "shifts"),
    ("motion", motion.Search, "run"),
    ("quarters", quarters, "divide"),
    ("squares", squares, "unite"),
    ("compensation", compensate, "predict"),
    ("transform", transform, "forward"),
    ("prior", PriorFrame, "tables"),
    ("quantisation", quantise, "choose"),
    ("rebuild (core)", _core, "rebuild"),
    ("deblock, loop filter (core)", _core, "deblock"),
    ("deblock, loop filter (core)", _core, "filter_search"),
    ("deblock, loop filter (core)", _core, "filter_rebuild"),
    ("decoder network", Stage, "choose"),
    ("decoder network", Stage, "apply"),
    ("prior and symbols (core)", _core, "read_symbols"),
    ("prediction (core)", _core, "predict"),
    ("prior and symbols (core)", _core, "remember_reference"),
)


def moving(height: int, width: int, count: int) -> Iterator[Frame]:
    """A synthetic camera: a panning texture, a square with another motion, a little noise."""
    rng = np.random.default_rng(5)
    tall, wide = height + 2 * count + 16, width + 4 * count + 16
    spectrum = np.fft.rfft2(rng.normal(0, 1, (tall, wide)))
    falling = (0.01 + np.hypot(np.fft.fftfreq(tall)[:, None], np.fft.rfftfreq(wide)[None])) ** 1.5
    texture = np.fft.irfft2(spectrum / falling, (tall, wide))
    texture = 128 + 45 * texture / texture.std()
    side = height // 4
    for n in range(count):
        luma = texture[2 * n : 2 * n + height, 3 * n : 3 * n + width].copy()
        top, left = height // 3, (7 * n) % (width - side)
        luma[top : top + side, left : left + side] = 255 - texture[:side, :side]
        luma += rng.normal(0, 1, luma.shape)
        y = np.clip(np.rint(luma), 0, 255).astype(np.uint8)
        rough = y[::2, ::2].astype(np.int16) - 128
        yield Frame(y, (128 + rough // 4).astype(np.uint8), (128 - rough // 6).astype(np.uint8))


def codecs(
    model: Model, here: Networks | None, there: Networks | None, device: torch.device
) -> tuple[Codec, Codec]:
    """The same model on the processor, and on a device with the dense encoder."""
    home = Codec(model, size="M", networks=here)
    dense = Codec(model, size="M", device=str(device), networks=there, dense=Device(model, device))
    return home, dense


def exactness(home: Codec, dense: Codec, frames: Iterator[Frame]) -> dict[str, object]:
    """Frames coded on the device, decoded on the device and on the processor: equal pictures?"""
    digests = [hashlib.blake2b(digest_size=8) for _ in range(3)]
    sent = shown = at_home = None
    wrong = count = total_bytes = 0
    for count, frame in enumerate(frames, 1):
        if (count - 1) % _KEY_EVERY == 0:
            sent = None
        coded = dense.encode(frame, sent, quality=_QUALITY)
        assert coded.packet is not None
        assert coded.reference is not None
        sent = coded.reference
        shown = dense.decode(coded.packet, shown).reference
        at_home = home.decode(coded.packet, at_home).reference
        total_bytes += len(coded.packet)
        for digest, reference in zip(digests, (sent, shown, at_home), strict=True):
            for plane in reference.frame.planes:
                digest.update(np.ascontiguousarray(plane).tobytes())
        wrong += not (sent.frame.same_pixels(shown.frame) and sent.frame.same_pixels(at_home.frame))
    return {
        "frames": count,
        "wrong": wrong,
        "digests": [d.hexdigest() for d in digests],
        "bytes": total_bytes,
    }


def times(dense: Codec, height: int, width: int, count: int) -> dict[str, dict[str, float]]:
    """Median ms of each stage of an inter frame's encode and decode, and of the whole."""
    spent: dict[str, dict[str, list[float]]] = {"encode": {}, "decode": {}}
    sent = shown = None
    wait = torch.cuda.synchronize if dense.device.startswith("cuda") else _nothing
    for number, frame in enumerate(moving(height, width, count)):
        packet = b""
        for kind, of in spent.items():
            with _watching(wait) as stages:
                begun = time.perf_counter()
                if kind == "encode":
                    coded = dense.encode(frame, sent, quality=_QUALITY)
                    assert coded.packet is not None
                    sent, packet = coded.reference, coded.packet
                else:
                    shown = dense.decode(packet, shown).reference
                wait()
                whole = 1000 * (time.perf_counter() - begun)
            if number < min(2, count - 1):
                continue  # a keyframe, and the warm-up
            stages["other (core, copies)"] = whole - sum(stages.values())
            for stage, ms in (*stages.items(), ("whole", whole)):
                of.setdefault(stage, []).append(ms)
    return {
        kind: {stage: round(statistics.median(ms), 3) for stage, ms in stages_ms.items()}
        for kind, stages_ms in spent.items()
    }


def _nothing() -> None:
    pass


@contextmanager
def _watching(wait: Callable[[], None]) -> Iterator[dict[str, float]]:
    """Within the context, the functions of `_STAGES` add their ms; each waits for the device."""
    spent: dict[str, float] = defaultdict(float)
    before = [getattr(owner, name) for _, owner, name in _STAGES]
    inner = [0.0]

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            wait()
            inner.append(0.0)
            begun = time.perf_counter()
            found = function(*args, **kwargs)
            wait()
            taken = 1000 * (time.perf_counter() - begun)
            spent[stage] += taken - inner.pop()
            inner[-1] += taken
            return found

        return run

    try:
        for (stage, owner, name), function in zip(_STAGES, before, strict=True):
            setattr(owner, name, timed(stage, function))
        yield spent
    finally:
        for (_, owner, name), function in zip(_STAGES, before, strict=True):
            setattr(owner, name, function)
