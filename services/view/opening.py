# SPDX-License-Identifier: Apache-2.0
"""Opens the page of a receiver from its settings."""

from __future__ import annotations

from pathlib import Path

from services.media.sinks import open_sink
from services.media.sinks.latest_picture import LatestPicture
from services.media.sinks.sink import Sink
from services.receiver.daemon import ReceiverDaemon, ShownFrame
from services.settings.config import Settings
from services.view.access import Access, parse_listen, read_token
from services.view.metrics import metrics_routes
from services.view.page import Page, RecordingControls


def open_page(settings: Settings, receiver: ReceiverDaemon, picture: LatestPicture) -> Page:
    """The page of a receiver. Raises ConfigError or AuthenticationError."""
    wanted = settings.web
    access = Access(
        parse_listen(wanted.listen, setting="web.listen"), read_token(wanted.token_file)
    )
    last_quality: list[int] = []

    def note(shown: ShownFrame) -> None:
        last_quality[:] = [shown.meta.quality]

    def recording(path: str) -> Sink:
        return open_sink(path, fps=30.0, model_size=receiver.size)

    receiver.on_frame(note)
    return Page(
        access,
        picture,
        RecordingControls(receiver, Path(wanted.recordings), recording),
        quality=lambda: last_quality[0] if last_quality else None,
        extra=metrics_routes(receiver.snapshot),
    )
