# SPDX-License-Identifier: Apache-2.0
"""Where libraries are called: whatever they raise becomes one sentence about the file at hand.

OpenCV raises `cv2.error`, FFmpeg errors that are no OSError, either of them a TypeError or a
MemoryError where a file lies about itself. All readers go through `reading`, all writers through
`writing`; an error of ours passes as it is.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import ServiceError, SinkError, SourceError
from services.settings.addresses import masked
from streamcodec.errors import FrameError, StreamCodecError

_LONGEST = 160
_PLACE = re.compile(r"^OpenCV\([^)]*\)[^:]*:\d+: error: (?:\([^)]*\) ?)?")


@contextmanager
def reading(name: str, doing: str = "cannot be read") -> Iterator[None]:
    """Raise SourceError, `name: doing (reason)`, for whatever a library raises inside."""
    try:
        yield
    except ServiceError:
        raise
    except FrameError as error:
        raise SourceError(f"{masked(name)}: {error}; scale it first") from None
    except StreamCodecError as error:
        raise SourceError(f"{masked(name)}: {error}") from None
    except Exception as error:
        raise SourceError(f"{masked(name)}: {doing} ({reason(error)})") from error


@contextmanager
def writing(name: str, *, saved: str = "what was written before is kept") -> Iterator[None]:
    """Raise SinkError, `name: cannot be written (reason); saved`, likewise."""
    try:
        yield
    except ServiceError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SinkError(f"{masked(name)}: the disk is full; {saved}") from None
        if isinstance(error, OSError) and error.errno == errno.ENOENT:
            raise SinkError(f"{masked(name)}: {reason(error)}; {saved}") from None
        text = f"{masked(name)}: cannot be written ({reason(error)}); {saved}"
        raise SinkError(text) from error


def reason(error: BaseException) -> str:
    """The text of a library's error, on one line, with nothing secret in it."""
    if isinstance(error, MemoryError):
        return "it would need more memory than there is"
    told = getattr(error, "strerror", None) or getattr(error, "err", None) or str(error)
    line = " ".join(str(told).split()) or type(error).__name__
    line = masked(_PLACE.sub("", line))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
