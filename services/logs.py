# SPDX-License-Identifier: Apache-2.0
"""Events on standard error: a line for people, or one JSON object a line for machines.

Use `log = logs.get("sender")` and `log.info("keyframe_requested", frame_id=412)`.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from services.addresses import masked
from services.config import LogSettings

_ROOT = "streamcodec"


class Log:
    """A named logger whose messages are an event and its fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    def debug(self, event: str, **fields: object) -> None:
        self._emit(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._emit(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._emit(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._emit(logging.ERROR, event, fields)

    def _emit(self, level: int, event: str, fields: dict[str, object]) -> None:
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
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time, part, event and fields on one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        part = record.name.removeprefix(f"{_ROOT}.")
        event = record.getMessage().replace("_", " ")
        mark = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        named = [f"{key}={value}" for key, value in fields.items()]
        text = " ".join([f"{clock} {part}: {mark}{event}", *named])
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


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
