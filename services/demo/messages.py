# SPDX-License-Identifier: Apache-2.0
"""What the processes of a demo tell the one that started them, over a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from services.measure.history import LinkState
from services.measure.stats import ReceiverSnapshot, SenderSnapshot
from streamcodec.frame import Frame


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence for the person who watches."""

    text: str


@dataclass(frozen=True, slots=True)
class Started:
    """The process is ready to stream."""

    size: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """The statistics so far."""

    snapshot: SenderSnapshot | ReceiverSnapshot | LinkState


@dataclass(frozen=True, slots=True)
class Ended:
    """The process has come to its end by itself: the source ended, the window was closed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The process gives up: a sentence, and the exit code that fits."""

    sentence: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame kept for the report, from either end."""

    sequence: int
    frame: Frame
    packet_bytes: int
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """The frames that an end has kept, oldest first; the last message of a process."""

    frames: tuple[KeptFrame, ...]


Message: TypeAlias = Note | Started | Counted | Ended | Failed | Kept

STOP = "stop"
