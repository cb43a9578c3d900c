# SPDX-License-Identifier: Apache-2.0
"""Results of anchors, kept between runs: an anchor at fixed settings never changes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import av

from benchmarks.anchors import Anchor
from benchmarks.material import Clip
from benchmarks.points import Point

ENOUGH_DB = 43.0  # finer points are outside every BD-rate range


def default_path() -> Path:
    """The user's cache folder, outside of any checkout."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "streamcodec" / "anchors.json"


class AnchorCache:
    """Points by clip content, anchor settings and library version, in one JSON file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known = self._read()

    def points(self, clip: Clip, anchor: Anchor, *, with_msssim: bool) -> list[Point]:
        """Points of an anchor from coarse to fine, measured unless cached.

        Ends with the first point above ENOUGH_DB.
        """
        found: list[Point] = []
        fresh: dict[str, Any] = {}
        for operating_point in anchor.operating_points:
            key = _key(clip, anchor, operating_point)
            known = self._known.get(key)
            if known is None or (with_msssim and known["msssim"] is None):
                known = anchor.measure(clip, operating_point, with_msssim=with_msssim).to_json()
                fresh[key] = known
            found.append(Point.from_json(known))
            if found[-1].psnr611 > ENOUGH_DB:
                break
        if fresh:
            self._add(fresh)
        return found

    def _read(self) -> dict[str, Any]:
        if self._path is None or not self._path.exists():
            return {}
        loaded: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return loaded

    def _add(self, fresh: dict[str, Any]) -> None:
        """Merge with another run's results, and replace the file atomically."""
        self._known = {**self._read(), **self._known, **fresh}
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(self._known), encoding="utf-8")
        temporary.replace(self._path)


def _key(clip: Clip, anchor: Anchor, operating_point: int) -> str:
    return f"{clip.digest} {anchor.name} {operating_point} ({anchor.settings}) av {av.__version__}"
