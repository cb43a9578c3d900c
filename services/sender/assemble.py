# SPDX-License-Identifier: Apache-2.0
"""From settings to a sender, with its source open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from services.media.sources import open_source
from services.protocol.planner import Rules
from services.sender.daemon import Sender, SenderConfig
from services.settings.config import Settings
from services.wire.addressing import endpoint

if TYPE_CHECKING:
    from streamcodec.codec import Codec


def make_sender(settings: Settings, load: Callable[[], Codec]) -> Sender:
    """A sender with its source open. Raises SourceError or ConfigError.

    `load` is called once the source is open: it takes seconds, a wrong name should not.
    """
    wanted = settings.sender
    config = SenderConfig(
        endpoint=replace(
            endpoint(
                where="sender",
                bind=wanted.bind,
                connect=wanted.connect,
                binds=True,
                security=settings.security,
            ),
            tcp_control=wanted.tcp or "",
        ),
        stream=wanted.stream,
        rules=Rules(kbps=wanted.kbps, quality=wanted.quality),
        adapts=wanted.adapt,
    )
    source = open_source(
        wanted.source, loop=wanted.loop, seed=wanted.seed, load_codec=lambda size: load()
    )
    try:
        return Sender(config, codec=load(), source=source)
    except BaseException:
        source.close()
        raise
