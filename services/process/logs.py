# SPDX-License-Identifier: Apache-2.0
"""Events on standard error: a line for people, or one JSON object a line for machines.

Use `log = logs.get("sender")` and `log.info("keyframe_requested", frame_id=412)`. Messages of
libraries and of broken threads go the same way, tracebacks included.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from services.process.limiter import Limiter
from services.settings.addresses import masked
from services.settings.config import LogSettings

_ROOT = "streamcodec"
_LIBRARIES = ("aiohttp.access", "aiohttp.server", "aiohttp.web", "aiohttp.websocket", "asyncio")


class Log:
    """A named logger whose messages are an event and its fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    def debug(self, event: str, **fields: object) -> None:
        self.emit(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self.emit(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self.emit(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self.emit(logging.ERROR, event, fields)

    def emit(self, level: int, event: str, fields: dict[str, object]) -> None:
        """Log an event at a level of `logging`."""
        if self._logger.isEnabledFor(level):
            shown = {k: masked(v) if isinstance(v, str) else v for k, v in fields.items()}
            self._logger.log(level, event, extra={"fields": shown})


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, part, event, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix(f"{_ROOT}."),
            "event": record.getMessage(),
        } | getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time, part, event and fields on one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        part = record.name.removeprefix(f"{_ROOT}.")
        event = record.getMessage().replace("_", " ")
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        named = [f"{key}={_shown(value)}" for key, value in fields.items()]
        text = " ".join([f"{clock} {part}: {mark}{event}", *named])
        if not record.exc_info:
            return text
        return f"{text}\n{masked(self.formatException(record.exc_info))}"


class StderrHandler(logging.Handler):
    """Writes to whatever standard error is at the moment: a live screen replaces it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)


def get(name: str) -> Log:
    """The log of a part of the program."""
    return Log(name)


def configure(settings: LogSettings) -> None:
    """Send events to standard error in the wanted form; may be called again."""
    handler = StderrHandler()
    handler.setFormatter(JsonFormatter() if settings.format == "json" else ConsoleFormatter())
    root = logging.getLogger(_ROOT)
    root.handlers[:] = [handler]
    root.propagate = False
    root.setLevel(settings.level.upper())
    brake = _Brake()
    for name in _LIBRARIES:
        library = logging.getLogger(name)
        library.handlers[:] = [handler]
        library.filters[:] = [brake]
        library.propagate = False
        library.setLevel(logging.WARNING)


@contextmanager
def telling_of_threads() -> Iterator[None]:
    """Log what breaks a thread, in the form of the log, while inside."""
    former = threading.excepthook

    def failed(what: threading.ExceptHookArgs) -> None:
        if what.exc_value is not None:
            crashed("thread_failed", what.exc_value, part=what.thread.name if what.thread else "")

    threading.excepthook = failed
    try:
        yield
    finally:
        threading.excepthook = former


def crashed(event: str, error: BaseException, *, part: str = "main") -> None:
    """Log a bug of ours with its traceback."""
    logging.getLogger(f"{_ROOT}.{part}").error(
        event,
        exc_info=(type(error), error, error.__traceback__),
        extra={"fields": {"error": masked(f"{type(error).__name__}: {error}")}},
    )


class _Brake(logging.Filter):
    """Lets ten messages of a library through, and then ten a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._limiter: Limiter[None] = Limiter()

    def filter(self, record: logging.LogRecord) -> bool:
        """False for one too many; the next that passes tells how many were left out."""
        with self._lock:
            now_us = time.monotonic_ns() // 1000
            admitted, left_out = self._limiter.admits(record.name, None, now_us)
        if left_out:
            record.__dict__["fields"] = {"left_out": left_out}
        return admitted


def _shown(value: object) -> str:
    """A value as one word, or quoted: a peer's text must not look like a line or field of ours."""
    text = str(value)
    if text and text.isprintable() and not set(text) & set(" \"'=\\"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)
