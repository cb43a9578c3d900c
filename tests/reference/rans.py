# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/entropy/rans.

rANS: codes a list of (start, frequency) intervals as bytes, at the size of their entropy.

Asymmetric numeral systems (J. Duda, arXiv 1311.2540; range variant) keep one integer `x` below
2**47. Coding a symbol of probability f / 2**15 grows x by 2**15 / f; when x would leave its range,
its low 16 bits are written as a word, and x stays above 2**31 from then on. The decoder undoes the
steps in reverse order, so the encoder works on the list from its end. `x` starts at 2**16 (no
higher than precision needs, as the start costs bits), and the decoder must be back there after the
last symbol: a check for damage without extra bytes.

An interval is packed as start << 16 | frequency in one uint32; starts and frequencies are below and
up to 2**15. Payload: three little-endian words of final state, low word first (two when it has no
more and no other word follows), then the other words in reading order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PRECISION_BITS = 15
TOTAL = 1 << PRECISION_BITS
SEED = 1 << 16
LOWER_BOUND = 1 << 31  # below it the next word is read, if there is one
STATE_WORDS = 3

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]


def _encode(intervals: U32, count: int, words: U16) -> int:
    """Fill `words` from its end; return the index of the first one used."""
    x = np.uint64(SEED)
    at = words.size
    for i in range(count - 1, -1, -1):
        packed = intervals[i]
        frequency = np.uint64(packed & np.uint32(0xFFFF))
        start = np.uint64(packed >> np.uint32(16))
        if x >= frequency << np.uint64(32):
            at -= 1
            words[at] = np.uint16(x & np.uint64(0xFFFF))
            x >>= np.uint64(16)
        quotient = x // frequency
        x = (quotient << np.uint64(PRECISION_BITS)) + (x - quotient * frequency) + start
    short = at == words.size and x < np.uint64(1 << 32)
    for shift in (32, 16, 0):
        if shift == 32 and short:
            continue
        at -= 1
        words[at] = np.uint16((x >> np.uint64(shift)) & np.uint64(0xFFFF))
    return at


def encode(intervals: U32, count: int) -> bytes:
    """Bytes that decode to the first `count` intervals, in their order."""
    words = np.empty(count + STATE_WORDS, np.uint16)
    at = _encode(intervals, count, words)
    return words[at:].astype("<u2").tobytes()


def words_of(payload: bytes) -> U16:
    """The payload as words, zero-padded to at least the state; a lone last byte is ignored."""
    words = np.frombuffer(payload, "<u2", len(payload) // 2).astype(np.uint16)
    if words.size < STATE_WORDS:
        words = np.concatenate((words, np.zeros(STATE_WORDS - words.size, np.uint16)))
    return words


# The decoder's state lives in a uint64[3] array, so that several compiled functions can read one
# stream in turn: [0] x, [1] next word to read, [2] symbols read beyond the end.
STATE_X, STATE_NEXT, STATE_OVERRUN = 0, 1, 2


def start(words: U16) -> npt.NDArray[np.uint64]:
    """Decoder state at the beginning of `words`."""
    x = int(words[0]) | int(words[1]) << 16 | int(words[2]) << 32
    return np.array([x, STATE_WORDS, 0], np.uint64)


def finished(state: npt.NDArray[np.uint64], words: U16) -> bool:
    """True when every word was read, none too many, and the state is back at its start."""
    return bool(
        state[STATE_X] == SEED and state[STATE_NEXT] == words.size and state[STATE_OVERRUN] == 0
    )


def peek(state: npt.NDArray[np.uint64]) -> int:
    """Where in [0, 2**15) the next symbol's interval is hit."""
    return np.int64(state[0] & np.uint64(TOTAL - 1))


def advance(state: npt.NDArray[np.uint64], words: U16, start_at: int, frequency: int) -> None:
    """Consume the symbol whose interval was found; those past the end are counted."""
    x = state[0]
    x = (
        np.uint64(frequency) * (x >> np.uint64(PRECISION_BITS))
        + (x & np.uint64(TOTAL - 1))
        - np.uint64(start_at)
    )
    if x < np.uint64(LOWER_BOUND):
        following = state[1]
        if following < np.uint64(words.size):
            x = x << np.uint64(16) | np.uint64(words[following])
            state[1] = following + np.uint64(1)
        elif x < np.uint64(SEED):
            state[2] += np.uint64(1)
    state[0] = x
