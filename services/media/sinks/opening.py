# SPDX-License-Identifier: Apache-2.0
"""From what a person types to a sink: `window`, `out.mp4`, `out.scv`, `-`, `folder/`."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from services.errors import SinkError
from services.media.boundary import writing
from services.media.sinks.sink import GuardedSink, NullSink, Sink

KINDS = "window, null, a .scv, .mp4 or .y4m file, - for standard output, or folder/"
_DEFAULT_FPS = 30.0
_SLOWEST, _FASTEST = 1e-6, 1000


def open_sink(
    spec: str,
    *,
    width: int = 0,
    height: int = 0,
    fps: float | Fraction = 0.0,
    model_size: str = "S",
) -> Sink:
    """Open a sink by name: `window`, `null`, `x.scv`, `x.mp4`, `x.y4m`, `-` (.y4m), `folder/`.

    Sizes come with the first frame: `width` and `height` are hints and may be 0. `fps` is the
    nominal rate; `set_stream` of the sink changes it until the first frame. `model_size` is noted
    in .scv files. Raises SinkError.
    """
    if spec in ("null", "none"):
        return NullSink()
    if spec == "window":
        from services.media.window import WindowSink, check_display  # noqa: PLC0415

        check_display()
        return WindowSink()
    rate = fps if _SLOWEST <= fps <= _FASTEST else _DEFAULT_FPS
    with writing(spec, saved="nothing was written"):
        return GuardedSink(spec, _file(spec, rate, model_size))


def _file(spec: str, fps: float | Fraction, model_size: str) -> Sink:
    path = Path(spec)
    suffix = path.suffix.lower()
    if spec.endswith("/") or path.is_dir():
        from services.media.sinks.pictures import PicturesSink  # noqa: PLC0415

        return PicturesSink(path)
    if spec == "-" or suffix == ".y4m":
        from services.media.sinks.y4m import Y4mSink  # noqa: PLC0415

        return Y4mSink(spec, fps=fps)
    if suffix == ".scv":
        from services.media.sinks.recording import RecordingSink  # noqa: PLC0415

        return RecordingSink(path, fps=fps, model_size=model_size)
    if suffix == ".mp4":
        from services.media.sinks.video import VideoSink  # noqa: PLC0415

        return VideoSink(path, fps=fps)
    raise SinkError(f"{spec}: unknown kind of sink; expected {KINDS}")
