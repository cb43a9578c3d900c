# SPDX-License-Identifier: Apache-2.0
"""From settings to a receiver, and to the sinks its frames go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from services.media.sinks.rotating import RotatingSink, Rotation
from services.media.sinks.sink import Sink
from services.media.window import WindowSink, has_display
from services.process import logs
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.settings.config import Settings
from services.wire.addressing import endpoint
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES

if TYPE_CHECKING:
    from services.media.sinks.latest_picture import LatestPicture
    from streamcodec.codec import Codec

_FILE_FPS = 30.0  # of a recording until the stream tells its own
_NOT_CONTINUED = (".mp4", ".y4m")


def make_receiver(
    settings: Settings, codec: Codec, *, sinks: list[Sink], others: Sequence[Codec] = ()
) -> ReceiverDaemon:
    """A receiver that writes to the sinks, and closes them when it stops."""
    wanted = settings.receiver
    config = ReceiverConfig(
        endpoint=endpoint(
            where="receiver",
            bind=wanted.bind,
            connect=wanted.connect,
            binds=False,
            security=settings.security,
            max_message_bytes=MAX_PACKET_MESSAGE_BYTES,
        ),
        stream=wanted.stream,
        buffer_us=wanted.playout_ms * 1000,
        patience_s=wanted.patience_s,
        ends_with_stream=not wanted.stay,
        leaves_when_refused=not wanted.stay,
    )
    receiver = ReceiverDaemon(config, codec=codec, others=others)
    for sink in sinks:
        receiver.add_sink(sink, name=wanted.record or wanted.view)
        if isinstance(sink, RotatingSink):
            sink.want_keyframe = receiver.request_keyframe
    return receiver


@dataclass(slots=True)
class Outputs:
    """Where a receiver's frames go. `note` is a sentence where that is not what was asked."""

    sinks: list[Sink] = field(default_factory=list)
    window: WindowSink | None = None
    picture: LatestPicture | None = None  # what the page shows
    note: str = ""


def make_sinks(settings: Settings) -> Outputs:
    """The sinks of `[receiver]`: view, virtual camera, record, push. No display, no window.

    Raises SinkError where a file cannot be opened, ConfigError where a virtual camera cannot.
    """
    outputs = Outputs()
    view, record = settings.receiver.view, settings.receiver.record
    if view == "window" and not has_display():
        outputs.note = "there is no display here, so no window opens; the stream goes on"
    elif view == "window":
        outputs.window = WindowSink()
        outputs.sinks.append(outputs.window)
    elif view == "web":
        from services.media.sinks.latest_picture import LatestPicture  # noqa: PLC0415  (only for the page)

        outputs.picture = LatestPicture()
        outputs.sinks.append(outputs.picture)
    elif view != "none":
        outputs.sinks.append(_file(view, settings))
    if settings.receiver.virtual_camera:
        from services.media.sinks.virtual_camera import VirtualCameraSink  # noqa: PLC0415

        outputs.sinks.append(VirtualCameraSink(settings.receiver.virtual_camera, fps=_FILE_FPS))
    if record:
        outputs.sinks.append(_recording(record, settings))
    if settings.receiver.push:
        from services.media.sinks.push import PushSink  # noqa: PLC0415  (FFmpeg)

        outputs.sinks.append(PushSink(settings.receiver.push, fps=_FILE_FPS))
    return outputs


def _file(spec: str, settings: Settings) -> Sink:
    from services.media.sinks import open_sink  # noqa: PLC0415  (FFmpeg, if needed at all)

    return open_sink(beside(spec), fps=_FILE_FPS, model_size=settings.codec.size)


def beside(spec: str) -> str:
    """The name itself, or where an earlier recording has it the next free one:
    `a.mp4`, then `a-2.mp4`. Recordings of packets (.scv) are continued and keep their name."""
    path = Path(spec)
    if path.suffix.lower() not in _NOT_CONTINUED or not _holds_something(path):
        return spec
    number = 2
    while (other := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    logs.get("recv").warning("recording_beside", was_there=spec, writes=str(other))
    return str(other)


def _holds_something(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except OSError:
        return False


def _recording(spec: str, settings: Settings) -> Sink:
    """A recording; in several files where `record_minutes` or `record_mb` ask for them."""
    wanted = settings.receiver
    if wanted.record_minutes is None and wanted.record_mb is None:
        return _file(spec, settings)
    rotation = Rotation(
        every_us=None if wanted.record_minutes is None else round(wanted.record_minutes * 60e6),
        every_bytes=None if wanted.record_mb is None else wanted.record_mb * 1_000_000,
        keep_free_bytes=wanted.record_free_mb * 1_000_000,
    )
    return RotatingSink(Path(spec), rotation, lambda path: _file(str(path), settings))
