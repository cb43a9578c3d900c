# SPDX-License-Identifier: Apache-2.0
"""Time inside a codec call by stage, measured from outside: the product has no timers."""

from __future__ import annotations

import functools
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# Stage -> its functions, as the caller looks them up. Nested calls count only for
# the outermost stage. A name that no longer exists is skipped, its time counts as "other".
ENCODE_STAGES: Mapping[str, Sequence[str]] = {
    "motion and modes": ("streamcodec._core.analyse_inter", "streamcodec._core.analyse_key"),
    "prediction": ("streamcodec._core.predict",),
    "transform": ("streamcodec._core.transform_inter", "streamcodec._core.open_loop"),
    "prior": (
        "streamcodec._core.find_tables",
        "streamcodec._core.remember_reference",
        "streamcodec._core.describe",
        "streamcodec._core.move_memory",
    ),
    "quantise and rebuild": ("streamcodec._core.quantise_plainly", "streamcodec._core.code"),
    "filter": ("streamcodec._core.deblock", "streamcodec._core.filter_search"),
    "next reference": ("streamcodec.encoder.reference_after",),
}
DECODE_STAGES: Mapping[str, Sequence[str]] = {
    "prior and entropy decoding": (
        "streamcodec._core.read_symbols",
        "streamcodec._core.remember_reference",
        "streamcodec._core.describe",
        "streamcodec._core.move_memory",
    ),
    "prediction": ("streamcodec._core.predict",),
    "rebuild": ("streamcodec._core.rebuild",),
    "filter": ("streamcodec._core.deblock", "streamcodec._core.filter_rebuild"),
    "next reference": ("streamcodec.decoder.reference_after",),
}


class StageTimes:
    """Milliseconds of each stage, one value a codec call."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.calls_ms: dict[str, list[float]] = defaultdict(list)
        self._current_ms: dict[str, float] = defaultdict(float)
        self._counting = False

    def begin_call(self) -> None:
        """Start a call: functions shared by encoder and decoder count for the running one."""
        self._counting = True

    def finish_call(self, total_ms: float) -> None:
        """End a codec call; the time outside all stages is "other"."""
        self._counting = False
        self._current_ms["other"] = total_ms - sum(self._current_ms.values())
        for stage, spent_ms in self._current_ms.items():
            self.calls_ms[stage].append(spent_ms)
        self._current_ms = defaultdict(float)

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its time added to the stage."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if not self._counting:
                return function(*args, **kwargs)
            self._counting = False
            start = self._clock()
            try:
                return function(*args, **kwargs)
            finally:
                self._current_ms[stage] += 1000 * (self._clock() - start)
                self._counting = True

        return wrapper


@contextmanager
def watching(
    stages: Mapping[str, Sequence[str]], clock: Callable[[], float] = time.perf_counter
) -> Iterator[StageTimes]:
    """Within the context, the named functions report their time."""
    times = StageTimes(clock)
    with ExitStack() as patches:
        for stage, names in stages.items():
            for name in names:
                owner, attribute = _owner_of(name)
                function = getattr(owner, attribute, None)
                if function is not None:
                    timed = times.timed(stage, function)
                    patches.enter_context(patch.object(owner, attribute, timed))
        yield times


def _owner_of(name: str) -> tuple[Any, str]:
    """The module or class that holds a dotted name."""
    path, attribute = name.rsplit(".", 1)
    try:
        return importlib.import_module(path), attribute
    except ImportError:
        module, holder = path.rsplit(".", 1)
        try:
            return getattr(importlib.import_module(module), holder, None), attribute
        except ImportError:
            return None, attribute
