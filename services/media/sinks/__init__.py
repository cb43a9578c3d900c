# SPDX-License-Identifier: Apache-2.0
"""Where frames go: window, recording, video file, raw planes, pictures, nowhere."""

from services.media.sinks.opening import open_sink
from services.media.sinks.sink import NullSink, Sink

__all__ = ["NullSink", "Sink", "open_sink"]
