# SPDX-License-Identifier: Apache-2.0
"""A checked view of one TOML table whose errors name file, line, key and value."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from services.errors import ConfigError

Values: TypeAlias = Mapping[str, object]

_UNITS_BPS = {"bit/s": 1, "kbit/s": 1e3, "mbit/s": 1e6, "gbit/s": 1e9}
_RATE = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*(\S*)\s*")


class Section:
    """One table; each key is read once, and `finish` refuses those that were not read."""

    def __init__(self, values: Values, *, path: Path, text: str, place: str = "") -> None:
        self._values = values
        self._path = path
        self._text = text
        self._place = place
        self._asked: dict[str, None] = {}

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise ConfigError about a key of this table."""
        line = find_line(self._text, [*self._place.split("."), key])
        raise ConfigError(f"{self._path}:{line}: {self._dotted(key)} {problem}")

    def finish(self) -> None:
        """Refuse keys that are not known, with the nearest known one."""
        for key in self._values:
            if key not in self._asked:
                near = difflib.get_close_matches(key, self._asked, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                known = "" if near else f"; known here: {', '.join(self._asked)}"
                self.fail(key, f"is not a known key{hint}{known}")

    def has(self, key: str) -> bool:
        self._asked[key] = None
        return key in self._values

    def is_table(self, key: str) -> bool:
        return isinstance(self._values.get(key), dict)

    def section(self, key: str, *, required: bool = False) -> Section:
        """A table inside this one, empty where it is absent and not required."""
        value = self._get(key, required=required)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self.fail(key, f"is {value!r}, expected a table")
        return self._inside(value, key)

    def tables(self, key: str) -> list[Section]:
        """An array of tables, empty where it is absent."""
        value = self._get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.fail(key, f"is {value!r}, expected a list of tables")
        return [self._inside(one, key) for one in value]

    def pairs(self, key: str) -> list[Sequence[object]]:
        """A list of two-element lists."""
        value = self._get(key, required=True)
        if not isinstance(value, list) or not value:
            self.fail(key, f"is {value!r}, expected a list of [seconds, rate]")
        for one in value:
            if not isinstance(one, list) or len(one) != 2:
                self.fail(key, f"has {one!r}, expected [seconds, rate]")
        return list(value)

    def step(self, pair: Sequence[object], *, most_bps: int) -> tuple[float, int]:
        """One `[seconds, rate]` of `steps`."""
        seconds = self._checked("steps", pair[0], 0, 1e9)
        return seconds, self._bps("steps", pair[1], most_bps)

    def text(self, key: str, *, required: bool = False, default: str = "") -> str:
        value = self._get(key, required=required)
        if value is None:
            return default
        if not isinstance(value, str) or not value:
            self.fail(key, f"is {value!r}, expected text")
        return value

    def choice(self, key: str, known: tuple[str, ...], *, default: str | None = None) -> str:
        value = self._get(key, required=default is None)
        if value is None:
            value = default
        if not isinstance(value, str) or value not in known:
            self.fail(key, f"is {value!r}, expected one of {', '.join(known)}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.fail(key, f"is {value!r}, expected true or false")
        return value

    def integer(self, key: str, *, least: int, most: int, default: int | None = None) -> int:
        value = self._get(key, required=default is None)
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.fail(key, f"is {value!r}, expected a whole number from {least} to {most}")
        return value

    def number(self, key: str, *, least: float, most: float, default: float | None = None) -> float:
        value = self._get(key, required=default is None)
        return self._checked(key, default if value is None else value, least, most)

    def milliseconds(self, key: str, *, default: float) -> int:
        """A span given in milliseconds, as microseconds."""
        return round(self.number(key, least=0, most=1e9, default=default) * 1000)

    def probability(self, key: str, *, default: float | None = None) -> float:
        return self.number(key, least=0, most=1, default=default)

    def bits_per_second(self, key: str, *, most: int) -> int:
        """A rate: a number in bit/s, or text with a unit."""
        return self._bps(key, self._get(key, required=True), most)

    def _inside(self, values: Values, key: str) -> Section:
        return Section(values, path=self._path, text=self._text, place=self._dotted(key))

    def _dotted(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def _get(self, key: str, *, required: bool = False) -> object:
        self._asked[key] = None
        if required and key not in self._values:
            for other in self._values:
                if difflib.get_close_matches(other, [key], cutoff=0.75):
                    self.fail(other, f"is not a known key; did you mean {key}?")
            self.fail(key, "is missing")
        return self._values.get(key)

    def _checked(self, key: str, value: object, least: float, most: float) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not least <= value <= most:  # type: ignore[arg-type,operator]  # a number by now
            limit = f"at least {least:g}" if most >= 1e9 else f"from {least:g} to {most:g}"
            self.fail(key, f"is {value!r}, expected a number {limit}")
        return float(value)  # type: ignore[arg-type]  # a number by now

    def _bps(self, key: str, value: object, most: int) -> int:
        if isinstance(value, str):
            match = _RATE.fullmatch(value)
            unit = _UNITS_BPS.get(match.group(2).lower()) if match else None
            if match is None or unit is None:
                units = "bit/s, kbit/s, Mbit/s or Gbit/s"
                self.fail(key, f"is {value!r}, expected a rate in {units}")
            value = float(match.group(1)) * unit
        bps = self._checked(key, value, -math.inf, 1e18)
        if not 0 <= bps <= most:
            self.fail(key, f"is {value!r}, expected a rate from 0 to {most / 1e9:g} Gbit/s")
        return round(bps)


def find_line(text: str, keys: Sequence[str]) -> int:
    """Line, from 1, of a key, or of the innermost table or key around it."""
    lines = text.splitlines()
    at = 0
    prefix = ""
    for key in keys:
        if not key:
            continue
        prefix = f"{prefix}.{key}" if prefix else key
        header = re.compile(r"\s*\[\[?\s*" + re.escape(prefix) + r"\s*\]")
        entry = re.compile(r"(^|.*[\s{,\[])" + re.escape(key) + r"\s*=")
        for number in range(at, len(lines)):
            if header.match(lines[number]) or entry.match(lines[number]):
                at = number
                break
            if number > at and re.match(r"\s*\[", lines[number]) and prefix != key:
                break  # the next table begins: the key is not here
    return at + 1
