# SPDX-License-Identifier: Apache-2.0
"""Reading what a link could carry: Mahimahi traces (one opportunity a line) and CSV of rates."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from services.errors import ConfigError

OPPORTUNITY_BYTES = 1504  # Mahimahi's documentation says 1500, its code the MTU and a TUN header
MAX_TRACE_BYTES = 64 * 1024 * 1024


def read_trace(path: Path) -> tuple[int, ...]:
    """Stamps of a Mahimahi trace in milliseconds, in order; its period is the last one.

    Raises ConfigError, naming file and line, when the file is missing, empty, holds anything but
    one non-negative integer a line, decreases, or ends at 0.
    """
    return parse_trace(_read(path, "trace").splitlines(), name=str(path))


def parse_trace(lines: Iterable[str], *, name: str) -> tuple[int, ...]:
    """See `read_trace`; `name` is the file's name in errors."""
    stamps: list[int] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            shown = text[:40] or "an empty line"
            raise ConfigError(f"{name}:{number}: {shown}, expected a time in whole milliseconds")
        stamp = int(text)
        if stamps and stamp < stamps[-1]:
            raise ConfigError(f"{name}:{number}: {stamp} comes after {stamps[-1]}; times must rise")
        stamps.append(stamp)
    if not stamps:
        raise ConfigError(f"{name}:1: the trace is empty; it needs at least one line")
    if stamps[-1] == 0:
        raise ConfigError(f"{name}:{len(stamps)}: the trace ends at 0 ms; it has no duration")
    return tuple(stamps)


def read_rates(path: Path) -> tuple[tuple[int, int], ...]:
    """Steps (microseconds, bits per second) of a CSV file with lines `seconds,bits_per_second`.

    A first line of words is a heading. Raises ConfigError, naming file and line.
    """
    name = str(path)
    steps: list[tuple[int, int]] = []
    for number, line in enumerate(_read(path, "rates").splitlines(), 1):
        fields = [field.strip() for field in line.split(",")]
        if number == 1 and any(field[:1].isalpha() for field in fields):
            continue
        try:
            seconds, rate = (float(field) for field in fields)
        except ValueError:
            message = f"{name}:{number}: {line[:40]!r}, expected seconds,bits_per_second"
            raise ConfigError(message) from None
        if not 0 <= seconds < 1e9 or not 0 <= rate < 1e12:
            raise ConfigError(f"{name}:{number}: {line[:40]!r} is negative or beyond any link")
        at_us = round(seconds * 1e6)
        if steps and at_us <= steps[-1][0]:
            raise ConfigError(f"{name}:{number}: {seconds:g} s is not later than the line before")
        if not steps and at_us != 0:
            raise ConfigError(f"{name}:{number}: the first line must be at 0 s, not {seconds:g}")
        steps.append((at_us, round(rate)))
    if not any(rate for _, rate in steps):
        raise ConfigError(f"{name}:1: no line has a rate above 0")
    return tuple(steps)


def format_trace(stamps_ms: Iterable[int]) -> str:
    """The text of a Mahimahi trace."""
    return "".join(f"{stamp}\n" for stamp in stamps_ms)


def _read(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > MAX_TRACE_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_TRACE_BYTES} bytes, not a {what} file")
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a text file, expected a {what} file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the {what} file ({error.strerror})") from None
