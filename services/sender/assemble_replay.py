# SPDX-License-Identifier: Apache-2.0
"""From settings to a replay: which sources are sent as they are, and to where."""

from __future__ import annotations

from pathlib import Path

from services.errors import ConfigError, SourceError
from services.sender.replay import Replay, ReplayConfig
from services.settings.config import Settings
from services.wire.addressing import endpoint


def make_replay(settings: Settings) -> Replay:
    """A replay of the recording that is the source. Raises SourceError or ConfigError."""
    wanted = settings.sender
    if wanted.kbps is not None:
        raise ConfigError(
            f"sender.kbps is {wanted.kbps:g}, but the packets of {wanted.source} go out as they "
            "are: leave it out, or code them anew with --recode"
        )
    path = Path(wanted.source)
    if not path.exists():
        raise SourceError(f"{path}: no such file")
    return Replay(
        ReplayConfig(
            path,
            endpoint(
                where="sender",
                bind=wanted.bind,
                connect=wanted.connect,
                binds=True,
                security=settings.security,
            ),
            stream=wanted.stream,
            loop=wanted.loop,
        )
    )
