# SPDX-License-Identifier: Apache-2.0
"""From what a person types to a source: `scene:640x360@30`, `camera:0`, a file, an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from services import logs
from services.errors import SourceError
from services.files.reader import TimedFrame, open_material
from services.media.sources.source import Clock, Source, WallClock
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
    kind, colon, rest = spec.partition(":")
    if colon and kind == "scene":
        return _scene(spec, rest, seed, clock)
    if is_live := _live_opener(spec, kind if colon else "", rest, clock):
        from services.media.sources.retry import RetryingSource  # noqa: PLC0415

        return RetryingSource(
            is_live, clock=clock, tell=tell or (lambda text: _log.debug("source", text=text))
        )
    return _file(spec, loop=loop, clock=clock, load_codec=load_codec)


def _scene(spec: str, rest: str, seed: int, clock: Clock) -> Source:
    from services.media.scene import Scene  # noqa: PLC0415
    from services.media.sources.paced import SceneSource  # noqa: PLC0415

    size, fps = _size_and_rate(spec, rest)
    width, height = size or _SCENE_SIZE
    try:
        return SceneSource(Scene(width, height, fps=fps or _DEFAULT_FPS, seed=seed), clock=clock)
    except FrameError as error:
        raise SourceError(f"{spec}: {error}") from None


def _live_opener(spec: str, kind: str, rest: str, clock: Clock) -> Callable[[], Source] | None:
    """How to open a camera, screen or address; None for anything else."""
    if kind == "camera":
        from services.media.sources.camera import CameraSource  # noqa: PLC0415

        device, size, fps = _device(spec, rest)
        return partial(CameraSource, device or "0", size=size, fps=fps, clock=clock)
    if kind == "screen":
        from services.media.sources.screen import ScreenSource  # noqa: PLC0415

        number, size, fps = _device(spec, rest)
        if number and not number.isdecimal():
            raise SourceError(f"{spec}: expected screen:N with the number of a monitor, from 1")
        monitor = int(number or "1")
        return partial(ScreenSource, monitor, size=size, fps=fps or _SCREEN_FPS, clock=clock)
    if "://" in spec:
        from services.media.sources.stream import StreamSource, is_address  # noqa: PLC0415

        if is_address(spec):
            return partial(StreamSource, spec, clock=clock)
    return None


def _file(
    spec: str, *, loop: bool, clock: Clock, load_codec: Callable[[str], Codec] | None
) -> Source:
    from services.media.sources.paced import PacedSource  # noqa: PLC0415

    path = Path(spec)
    if spec == "-":
        from services.media.sources.piped import piped_frames  # noqa: PLC0415

        fps, frames = piped_frames()
        return PacedSource("standard input", lambda: frames, fps=fps, loop=False, clock=clock)
    if not path.exists():
        raise SourceError(f"{spec}: no such file; a source is {KINDS}")
    if path.suffix.lower() == ".scv":
        from services.media.sources.recording import open_recording  # noqa: PLC0415

        opener, fps = open_recording(path, load_codec)
        return PacedSource(path.name, opener, fps=fps, loop=loop, clock=clock)
    material = open_material(path)
    first = [material.frames]

    def opened() -> Iterator[TimedFrame]:
        return first.pop() if first else open_material(path).frames

    return PacedSource(
        path.name, opened, fps=material.fps, loop=loop or material.still, clock=clock
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
