# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: a small TOML file, checked key by key."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from streamcodec.errors import StreamCodecError


class TrainingConfigError(StreamCodecError):
    """A key of the training configuration is wrong."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of a run. Folders are as given; `start` is "shipped", "untrained" or a file."""

    data: tuple[str, ...] = ()
    output: str = "training"
    size: str = "S"  # S: the prior and its tables; M: the decoder networks
    start: str = "shipped"
    licence: str = "not stated"
    seed: int = 0
    rounds: int = 1  # each collects and fits again, with the model of the round before
    passes: int = 4  # chains from each file in a round
    frames: int = 6  # of a chain
    crop_px: int = 512  # longest side of a crop
    steps: int = 1500  # of each of the 16 stacks; a quarter of them again after the tables
    batch: int = 1024
    rate: float = 2e-3
    hidden: int = 128  # width of an untrained start: 128 size S, 256 M, 512 L
    minutes: float = 0.0  # 0: as long as passes and steps take
    jobs: int = 2  # chains or stacks at once; changes nothing but the time

    def fingerprint(self) -> str:
        """A hash of all settings that decide the result; a run resumes only with the same hash."""
        relevant = {k: v for k, v in asdict(self).items() if k not in ("output", "jobs")}
        return hashlib.blake2b(json.dumps(relevant).encode(), digest_size=8).hexdigest()


_RANGES = {
    "rounds": (1, 20),
    "passes": (1, 1000),
    "frames": (1, 64),
    "crop_px": (32, 4096),
    "steps": (1, 1_000_000),
    "batch": (8, 65536),
    "rate": (1e-6, 1.0),
    "hidden": (8, 512),
    "minutes": (0.0, 1e6),
    "seed": (0, 2**31),
    "jobs": (1, 256),
}


def read_config(path: Path) -> TrainConfig:
    """Read a TOML file. Raises TrainingConfigError with one sentence."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise TrainingConfigError(f"{path} cannot be read: {reason}") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrainingConfigError(f"{path} is not TOML: {error}") from None
    return from_table(table, where=str(path))


def from_table(table: dict[str, object], *, where: str) -> TrainConfig:
    """Check a table of settings: names, types and ranges."""
    known = {field.name: field for field in fields(TrainConfig)}
    config = TrainConfig()
    checked: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
            raise TrainingConfigError(f"{where}: unknown key {key}{hint}")
        checked[key] = _checked(key, value, getattr(config, key), where)
    return replace(config, **checked)


def with_size(config: TrainConfig, size: str) -> TrainConfig:
    """The same settings for another size. Raises TrainingConfigError."""
    return replace(config, size=str(_checked("size", size, config.size, "--size")))


def _checked(key: str, value: object, default: object, where: str) -> object:
    if key == "data":
        if isinstance(value, str):
            return (value,)
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        raise TrainingConfigError(f"{where}: data is {value!r}, expected a list of folders")
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if key == "size" and value not in ("S", "M"):
        raise TrainingConfigError(f"{where}: size is {value!r}, expected S or M")
    if type(value) is not type(default):
        raise TrainingConfigError(
            f"{where}: {key} is {value!r}, expected a {type(default).__name__}"
        )
    if key in _RANGES:
        low, high = _RANGES[key]
        assert isinstance(value, int | float)
        if not low <= value <= high:
            raise TrainingConfigError(f"{where}: {key} is {value}, expected {low} to {high}")
    return value
