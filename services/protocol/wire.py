# SPDX-License-Identifier: Apache-2.0
"""Checked reading of a msgpack map: every field bounded before it is used."""

from __future__ import annotations

import msgpack  # type: ignore[import-untyped]  # ships no types

from services.errors import RemoteProtocolError

_MAX_FIELDS = 16
_MAX_LIST = 8
_MAX_TEXT_BYTES = 1024


def unpack_map(data: bytes, *, max_bytes: int) -> dict[str, object]:
    """One msgpack map with text keys, within `max_bytes`. Raises RemoteProtocolError."""
    if len(data) > max_bytes:
        raise RemoteProtocolError(f"message has {len(data)} bytes, at most {max_bytes} allowed")
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_map_len=_MAX_FIELDS,
            max_array_len=_MAX_LIST,
            max_str_len=_MAX_TEXT_BYTES,
            max_bin_len=max_bytes,
            max_ext_len=0,
        )
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise RemoteProtocolError(f"message of {len(data)} bytes is not a msgpack map") from error
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"message is a {type(value).__name__}, expected a map")
    return value


class Fields:
    """Takes the fields of a map one by one, each with its type and range; `finish` ends it."""

    def __init__(self, fields: dict[str, object], *, message: str) -> None:
        self._fields = dict(fields)
        self._message = message

    def integer(self, key: str, low: int, high: int) -> int:
        """A field that is an integer in low..high."""
        return self._in_range(key, self._take(key), low, high)

    def integers(self, key: str, low: int, high: int, *, most: int) -> tuple[int, ...]:
        """A field that is a list of one to `most` integers in low..high."""
        value = self._take(key)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise self._error(key, f"is not a list of 1 to {most}")
        return tuple(self._in_range(key, item, low, high) for item in value)

    def data(self, key: str, sizes: range) -> bytes:
        """A field that is binary with a length in `sizes`."""
        value = self._take(key)
        if not isinstance(value, bytes) or len(value) not in sizes:
            raise self._error(key, f"is not {sizes[0]} to {sizes[-1]} bytes")
        return value

    def text(self, key: str, most: int) -> str:
        """A field that is printable text of at most `most` characters."""
        value = self._take(key)
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise self._error(key, f"is not printable text of at most {most} characters")
        return value

    def finish(self) -> None:
        """Raise when the map holds a field that nobody asked for."""
        if self._fields:
            raise RemoteProtocolError(
                f"{self._message}: {len(self._fields)} fields too many for this version"
            )

    def _take(self, key: str) -> object:
        if key not in self._fields:
            raise self._error(key, "is missing")
        return self._fields.pop(key)

    def _in_range(self, key: str, value: object, low: int, high: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._error(key, f"is not an integer in {low}..{high}")
        return value

    def _error(self, key: str, what: str) -> RemoteProtocolError:
        return RemoteProtocolError(f"{self._message}: field {key!r} {what}")
