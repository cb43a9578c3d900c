# SPDX-License-Identifier: Apache-2.0
"""Writes and reads bits of a payload: with mixed contexts, one context, or none."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from tests.reference import binary, mixing, rans

I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]


class Coder(Protocol):
    """Codes one bit; the contexts of a mixed one are named in `scratch`."""

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int: ...
    def single(self, index: int, bit: bool) -> int: ...
    def raw(self, bit: bool) -> int: ...


class Writer:
    """Appends bits to a list of intervals."""

    def __init__(self, contexts: U16, most_bits: int) -> None:
        self._contexts = contexts
        self._out = np.zeros(most_bits, np.uint32)
        self._count = 0

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int:
        """Append a bit with a mixture of three contexts."""
        self._count = mixing.put(self._out, self._count, self._contexts, weights, scratch, int(bit))
        return int(bit)

    def single(self, index: int, bit: bool) -> int:
        """Append a bit with a context of its own."""
        self._count = binary.put(self._out, self._count, self._contexts, index, int(bit))
        return int(bit)

    def raw(self, bit: bool) -> int:
        """Append a bit at even odds."""
        self._count = binary.put_raw(self._out, self._count, int(bit))
        return int(bit)

    @property
    def bits(self) -> int:
        """How many bits were appended."""
        return self._count

    def encode(self) -> bytes:
        """The payload."""
        return rans.encode(self._out, self._count)


class Reader:
    """Reads bits from a payload."""

    def __init__(self, contexts: U16, payload: bytes) -> None:
        self._contexts = contexts
        self._words = rans.words_of(payload)
        self._state = rans.start(self._words)

    def mixed(self, weights: int, scratch: I32, bit: bool) -> int:
        """Read a bit with a mixture of three contexts."""
        del bit
        return mixing.get(self._state, self._words, self._contexts, weights, scratch)

    def single(self, index: int, bit: bool) -> int:
        """Read a bit with a context of its own."""
        del bit
        return binary.get(self._state, self._words, self._contexts, index)

    def raw(self, bit: bool) -> int:
        """Read a bit at even odds."""
        del bit
        return binary.get_raw(self._state, self._words)

    @property
    def overrun(self) -> bool:
        """True when more was read than the payload has."""
        return bool(self._state[rans.STATE_OVERRUN])
