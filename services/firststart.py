# SPDX-License-Identifier: Apache-2.0
"""Whether the codec's kernels were compiled on this machine before; looks at files alone."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

NOTICE = "compiling for this processor; only the first start takes this long (minutes) ..."


def is_first_start() -> bool:
    """True when numba has nothing cached for the codec, neither beside it nor elsewhere."""
    return not any(next(folder.rglob("*.nbi"), None) for folder in _folders() if folder.is_dir())


def _folders() -> list[Path]:
    """Where numba keeps compiled code: NUMBA_CACHE_DIR, beside the source, or the user's cache."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    spec = find_spec("streamcodec")
    beside = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return [*beside, home / "numba"]
