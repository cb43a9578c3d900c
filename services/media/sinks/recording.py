# SPDX-License-Identifier: Apache-2.0
"""Recordings: the packets themselves in a .scv file, no generation lost."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from services.errors import SinkError
from services.media.sinks.sink import StreamFacts, write_failed
from streamcodec.bitstream import digest_after, read_header
from streamcodec.container import FileHeader, ScvReader, ScvWriter
from streamcodec.errors import HeaderError, StreamCodecError
from streamcodec.frame import Frame


class RecordingSink:
    """Writes packets from the first keyframe on, only where they continue the chain.

    A file that is a recording of the same model is continued, so that a daemon that restarts
    loses nothing; any other file is refused.
    """

    every_frame = True

    def __init__(self, path: Path, *, fps: float | Fraction, model_size: str) -> None:
        """Raises SinkError when the file cannot be written or is something else."""
        self._path = path
        self._fps = fps
        self._model_size = model_size
        self._writer: ScvWriter | None = None
        self._digest = b""  # of the chain so far; no packet names the empty one
        self._offset_us: int | None = None
        self._frames = 0
        self._existing = self._checked()

    def set_stream(self, stream: StreamFacts) -> None:
        """What comes; a file that is there keeps what is in its header."""
        self._fps = stream.fps
        self._model_size = stream.model_size

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Write the packet; frames that came without one cannot be recorded and are left out."""
        if packet is None:
            return
        try:
            header = read_header(packet)
            if not header.keyframe and header.reference != self._digest:
                return  # an inter frame of a chain that this file does not hold
            if header.keyframe and self._existing and self._existing.model_hash != header.reference:
                raise SinkError(
                    f"{self._path}: exists and was made with another model; choose another name"
                )
            writer = self._writer or self._opened(header.reference)
            if self._offset_us is None:
                step_us = round(1e6 / self._fps) if writer.frames else 0
                self._offset_us = writer.last_us + step_us - shown_us
            writer.write(packet, timestamp_us=shown_us + self._offset_us)
        except StreamCodecError as error:
            raise SinkError(f"{self._path}: {error}") from None
        except OSError as error:
            self.close()
            raise write_failed(self._path, error, frames=self._frames) from None
        self._digest = digest_after(packet, b"" if header.keyframe else self._digest)
        self._frames += 1

    def close(self) -> None:
        """Write the index and close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._digest = b""

    def _checked(self) -> FileHeader | None:
        """Header of a recording that is there already; proof that the path can be written.

        Nothing stays where nothing was: the file begins with its first frame, so that who dies
        before that leaves no file that does not play.
        """
        is_new = not self._path.exists()
        try:
            with self._path.open("ab") as file:
                empty = not file.tell()
            if empty:
                if is_new:
                    self._path.unlink()
                return None
            with ScvReader(self._path) as reader:
                return reader.header
        except HeaderError as error:
            raise SinkError(
                f"{self._path}: exists and is not a recording ({error}); choose another name"
            ) from None
        except OSError as error:
            raise write_failed(self._path, error, frames=0) from None

    def _opened(self, model_hash: bytes) -> ScvWriter:
        fps = min(max(Fraction(self._fps), Fraction(1, 1000)), Fraction(1000))
        header = FileHeader(self._model_size, model_hash, fps.limit_denominator(100_000))
        if self._existing is None:
            self._writer = ScvWriter.create(self._path, header)
            self._existing = header
        else:
            self._writer = ScvWriter.append(self._path)
        return self._writer
