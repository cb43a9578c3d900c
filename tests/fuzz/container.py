# SPDX-License-Identifier: Apache-2.0
"""Fuzzes what Python reads: `python -m tests.fuzz.container SECONDS SEED`.

Recordings of the conformance vectors are mutated, many of them with checksums put right again, then
opened, walked through, and their packets decoded. Only the documented errors may come out. The same
seed tries the same inputs.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import google_crc32c

from streamcodec import Codec
from streamcodec.bitstream import CRC_BYTES
from streamcodec.container import HEADER_BYTES, RECORD_BYTES, FileHeader, ScvReader, ScvWriter
from streamcodec.errors import BitstreamError, ModelError, ReferenceMissing
from streamcodec.frame import Reference
from tests.conformance.material import VECTORS

_CHAINS = ("smallest", "odd", "grey")
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went: its executions, how many files opened, pictures, and the slowest input."""

    executions: int
    opened: int
    pictures: int
    slowest_ms: int


def run(seconds: float, seed: int, folder: Path, codec: Codec) -> Outcome:
    """Mutate and read until the time is up. Anything but a documented error comes out of here.

    The input under way stays in `folder`.
    """
    rng = random.Random(seed)
    seeds = [_recording(folder / "seed.scv", codec.model_hash, chain) for chain in _CHAINS]
    file = folder / "fuzz-input.scv"
    executions = opened = pictures = slowest_ns = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        file.write_bytes(_mutated(rng, rng.choice(seeds)))
        start_ns = time.perf_counter_ns()
        with suppress(BitstreamError):
            pictures += _read(file, codec, from_us=rng.choice((0, 1, 50_000, 2**63 - 1)))
            opened += 1
        slowest_ns = max(slowest_ns, time.perf_counter_ns() - start_ns)
        executions += 1
    return Outcome(executions, opened, pictures, slowest_ns // 1_000_000)


def _recording(path: Path, model_hash: bytes, chain: str) -> bytes:
    """A finished .scv of one chain of conformance vectors."""
    with ScvWriter.create(path, FileHeader("S", model_hash, Fraction(25))) as writer:
        for number in range(len(list(VECTORS.glob(f"{chain}.*.packet")))):
            packet = (VECTORS / f"{chain}.{number}.packet").read_bytes()
            writer.write(packet, timestamp_us=number * 40_000)
    return path.read_bytes()


def _read(path: Path, codec: Codec, *, from_us: int) -> int:
    """Walk through a file and decode what it holds; returns how many pictures came out."""
    pictures = 0
    held: Reference | None = None
    with ScvReader(path) as reader:
        assert len(reader.keyframes) <= reader.frames
        for place in reader.places():
            assert place.offset + RECORD_BYTES + place.packet_bytes <= path.stat().st_size
        for record in reader.records(from_us=from_us):
            with suppress(BitstreamError, ModelError, ReferenceMissing):
                held = codec.decode(record.packet, held).reference
                pictures += 1
    return pictures


def _mutated(rng: random.Random, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if data else 0
        match rng.randrange(7):
            case 0 if data:
                data[at] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at] = rng.choice(_INTERESTING)
            case 2:
                data[at:at] = rng.randbytes(rng.randint(1, 16))
            case 3:
                del data[at : at + rng.randint(1, 64)]
            case 4:  # a stretch from elsewhere
                start = rng.randrange(len(seed))
                data[at : at + 40] = seed[start : start + 40]
            case 5 if len(data) > at + 8:  # a large number where one may stand
                struct.pack_into("<Q", data, at, rng.choice((2**63, 2**64 - 1, 2**32 - 1)))
            case _:
                del data[at:]
    if rng.random() < 0.7:
        _seal(data)
    return bytes(data)


def _seal(data: bytearray) -> None:
    """Put right the checksums of the header, of whole records, and of the index."""
    if len(data) < HEADER_BYTES:
        return
    _put_crc(data, 0, HEADER_BYTES - CRC_BYTES)
    at = HEADER_BYTES
    while at + RECORD_BYTES < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        if size < CRC_BYTES or at + RECORD_BYTES + size > len(data):
            break
        _put_crc(data, at + RECORD_BYTES, at + RECORD_BYTES + size - CRC_BYTES)
        at += RECORD_BYTES + size
    if data.endswith(b"SCVX") and at <= len(data) - 8:
        _put_crc(data, at, len(data) - 8)


def _put_crc(data: bytearray, start: int, end: int) -> None:
    struct.pack_into("<I", data, end, google_crc32c.value(bytes(data[start:end])))


def main() -> None:
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    folder = Path(tempfile.mkdtemp(prefix="streamcodec-fuzz-"))
    print(f"the input under way is {folder / 'fuzz-input.scv'}")
    found = run(seconds, seed, folder, Codec.load())
    print(
        f"{found.executions} executions, {found.opened} read to their end, "
        f"{found.pictures} pictures, the slowest took {found.slowest_ms} ms"
    )


if __name__ == "__main__":
    main()
