# SPDX-License-Identifier: Apache-2.0
"""From what a person types to a source: `scene:640x360@30`, `camera:0`, a file, an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import SourceError
from services.media.files.naming import file_named
from services.media.files.reader import TimedFrame, open_material
from services.media.sources.source import Clock, Source, WallClock
from services.process import logs
from services.settings.addresses import is_address, masked
from streamcodec.errors import FrameError

if TYPE_CHECKING:
    from streamcodec.codec import Codec

KINDS = "camera:0, screen:, scene:640x360@30, a video file, a folder of pictures or an address"

_SIZE_AND_RATE = re.compile(r"(?:(?P<width>\d+)x(?P<height>\d+))?(?:@(?P<fps>\d+(?:\.\d+)?))?")
_MAX_FPS = 240.0
_SCENE_SIZE = (640, 360)
_SCREEN_FPS = 15.0
_DEFAULT_FPS = 30.0

_log = logs.get("source")


def open_source(
    spec: str,
    *,
    loop: bool = False,
    seed: int = 0,
    clock: Clock | None = None,
    tell: Callable[[str], None] | None = None,
    load_codec: Callable[[str], Codec] | None = None,
) -> Source:
    """Open a source by name.

    `camera:ID[:WxH][@FPS]`, `screen:[N][:WxH][@FPS]`, `scene:[WxH][@FPS]`, an address
    (`rtsp://`, `http://`, ...), a video file (.y4m and .scv too), a folder of pictures, one
    picture, or `-` for .y4m on standard input. `loop` starts files again at their end; `seed`
    varies the scene; `tell` hears sentences about a live source that goes and comes back;
    `load_codec` (from a size letter) serves recordings. Raises SourceError.
    """
    clock = clock or WallClock()
    tell = tell or (lambda text: _log.warning("source", text=text))
    kind, rest = _kind(spec)
    if kind == "scene":
        return _scene(spec, rest, seed, clock)
    if kind in ("camera", "screen"):
        from services.media.sources.retry import RetryingSource  # noqa: PLC0415

        return RetryingSource(_device_opener(spec, kind, rest, clock), clock=clock, tell=tell)
    if is_address(spec):
        return _address(spec, loop=loop, clock=clock, tell=tell)
    return _file(spec, loop=loop, clock=clock, load_codec=load_codec)


def _kind(spec: str) -> tuple[str, str]:
    """What a name means and what follows its colon; "" for a file or an address.

    Names are files unless they are something else: `./camera:0` is one, and so is every name under
    which a file is there.
    """
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in ("scene", "camera", "screen") or _is_there(Path(spec)):
        return "", ""
    return kind, rest


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, a folder that is closed to us
        return False


def _address(spec: str, *, loop: bool, clock: Clock, tell: Callable[[str], None]) -> Source:
    from services.media.sources.retry import OF_ADDRESSES, RetryingSource  # noqa: PLC0415
    from services.media.sources.stream import StreamSource  # noqa: PLC0415

    last: list[StreamSource] = []

    def opened() -> StreamSource:
        # A file that broke off is taken up where it did; one that ended begins again.
        resume_us = last[0].position_us if last and not last[0].ended else None
        source = StreamSource(spec, clock=clock, resume_us=resume_us)
        last[:] = [source]
        return source

    return RetryingSource(opened, clock=clock, tell=tell, pauses=OF_ADDRESSES, loop=loop)


def _scene(spec: str, rest: str, seed: int, clock: Clock) -> Source:
    from services.media.scene import Scene  # noqa: PLC0415
    from services.media.sources.paced import SceneSource  # noqa: PLC0415

    size, fps = _size_and_rate(spec, rest)
    width, height = size or _SCENE_SIZE
    try:
        return SceneSource(Scene(width, height, fps=fps or _DEFAULT_FPS, seed=seed), clock=clock)
    except FrameError as error:
        raise SourceError(f"{spec}: {error}") from None


def _device_opener(spec: str, kind: str, rest: str, clock: Clock) -> Callable[[], Source]:
    """How to open a camera or screen."""
    device, size, fps = _device(spec, rest)
    if kind == "camera":
        from services.media.sources.camera import CameraSource  # noqa: PLC0415

        return partial(CameraSource, device or "0", size=size, fps=fps, clock=clock)
    from services.media.sources.screen import ScreenSource  # noqa: PLC0415

    if device and not device.isdecimal():
        raise SourceError(f"{spec}: expected screen:N with the number of a monitor, from 1")
    monitor = int(device or "1")
    return partial(ScreenSource, monitor, size=size, fps=fps or _SCREEN_FPS, clock=clock)


def _file(
    spec: str, *, loop: bool, clock: Clock, load_codec: Callable[[str], Codec] | None
) -> Source:
    from services.media.sources.paced import PacedSource  # noqa: PLC0415

    path = file_named(spec)
    if spec == "-":
        from services.media.sources.piped import piped_frames  # noqa: PLC0415

        rate, frames = piped_frames()
        return PacedSource(
            "standard input", lambda: frames, fps=float(rate), loop=False, clock=clock
        )
    if not _is_there(path):
        raise SourceError(f"{masked(spec)}: no such file; a source is {KINDS}")
    if path.suffix.lower() == ".scv":
        from services.media.sources.recording import open_recording  # noqa: PLC0415

        opener, fps, damaged_so_far = open_recording(path, load_codec)
        return PacedSource(
            path.name, opener, fps=fps, loop=loop, clock=clock, damaged=damaged_so_far
        )
    material = open_material(path)
    rounds = [material]
    fresh = [material]

    def opened() -> Iterator[TimedFrame]:
        if not fresh:
            damaged.append(rounds[0].damaged())
            rounds[0] = open_material(path)
            return rounds[0].frames
        return fresh.pop().frames

    damaged: list[int] = []
    return PacedSource(
        path.name,
        opened,
        fps=material.fps,
        loop=loop or material.still,
        clock=clock,
        damaged=lambda: sum(damaged) + rounds[0].damaged(),
    )


def _device(spec: str, rest: str) -> tuple[str, tuple[int, int] | None, float | None]:
    """Split `ID[:WxH][@FPS]`; a device path may hold colons and at signs of its own."""
    match = re.fullmatch(r"(.*?)(?::(\d+x\d+))?(@\d+(?:\.\d+)?)?", rest)
    assert match is not None  # every part may be empty
    size, fps = _size_and_rate(spec, (match[2] or "") + (match[3] or ""))
    return match[1], size, fps


def _size_and_rate(spec: str, text: str) -> tuple[tuple[int, int] | None, float | None]:
    match = _SIZE_AND_RATE.fullmatch(text)
    if match is None:
        raise SourceError(f"{spec}: expected a size and rate like 640x360@30, not {text!r}")
    size = (int(match["width"]), int(match["height"])) if match["width"] else None
    fps = float(match["fps"]) if match["fps"] else None
    if fps is not None and not 0 < fps <= _MAX_FPS:
        raise SourceError(f"{spec}: the rate must be above 0 and at most {_MAX_FPS:g}")
    return size, fps
