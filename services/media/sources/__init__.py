# SPDX-License-Identifier: Apache-2.0
"""Where frames come from: camera, file, stream, pictures, screen, recording, built-in scene."""

from services.errors import EndOfSource
from services.media.sources.opening import open_source
from services.media.sources.source import CapturedFrame, Clock, Source, WallClock

__all__ = ["CapturedFrame", "Clock", "EndOfSource", "Source", "WallClock", "open_source"]
