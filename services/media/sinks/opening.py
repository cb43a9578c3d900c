# SPDX-License-Identifier: Apache-2.0
"""From what a person types to a sink: `window`, `out.mp4`, `out.scv`, `-`, `folder/`."""

from __future__ import annotations

from pathlib import Path

from services.errors import SinkError
from services.media.sinks.sink import NullSink, Sink

KINDS = "window, null, a .scv, .mp4 or .y4m file, - for standard output, or folder/"
_DEFAULT_FPS = 30.0


def open_sink(
    spec: str, *, width: int = 0, height: int = 0, fps: float = 0.0, model_size: str = "S"
) -> Sink:
    """Open a sink by name: `window`, `null`, `x.scv`, `x.mp4`, `x.y4m`, `-` (.y4m), `folder/`.

    Sizes come with the first frame: `width` and `height` are hints and may be 0. `fps` is the
    nominal rate. `model_size` is noted in .scv files. Raises SinkError.
    """
    fps = fps if 0 < fps <= 1000 else _DEFAULT_FPS
    path = Path(spec)
    suffix = path.suffix.lower()
    if spec in ("null", "none"):
        return NullSink()
    if spec == "window":
        from services.media.window import WindowSink, check_display  # noqa: PLC0415

        check_display()
        return WindowSink()
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
