# SPDX-License-Identifier: Apache-2.0
"""Compiled code that outlived its source is thrown away.

numba keeps what it compiled and notices a change in the file of the function itself, but not in
files of functions that were compiled into it. After an update, half old and half new code would
write packets that the other half cannot read. So a change anywhere in the package drops all of it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_KEPT = ("*.nbi", "*.nbc")  # numba's index and code files


def forget_stale(package: Path = Path(__file__).parent) -> bool:
    """Drop the package's compiled code if it was made from other sources; True when it was.

    Remembers the sources' digest in a file beside the compiled code. Does nothing where that cannot
    be written: nothing can have been kept there either.
    """
    sources = sorted(package.rglob("*.py"))
    state = hashlib.blake2b(digest_size=16)
    for source in sources:
        state.update(f"{source.relative_to(package)}\0".encode())
        state.update(source.read_bytes())
    now = state.hexdigest()
    folders = sorted({source.parent for source in sources})
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    try:
        if chosen:
            return _renewed(package, Path(chosen), folders, now)
        if os.access(package, os.W_OK):
            return _renewed(package, package / "__pycache__", folders, now)
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return _renewed(package, home / "numba", folders, now)
    except OSError:
        return False


def _renewed(package: Path, base: Path, folders: list[Path], now: str) -> bool:
    stamp = base / f"streamcodec-{_short(package)}.stamp"
    if stamp.exists() and stamp.read_text() == now:
        return False
    stale = False
    for folder in folders:
        # Beside the source, or where numba puts the code of a folder elsewhere.
        for kept in (folder / "__pycache__", base / f"{folder.name}_{_short(folder)}"):
            for pattern in _KEPT:
                for file in kept.glob(pattern):
                    file.unlink(missing_ok=True)
                    stale = True
    base.mkdir(parents=True, exist_ok=True)
    fresh = stamp.with_suffix(f".{os.getpid()}")
    fresh.write_text(now)
    fresh.replace(stamp)
    return stale


def _short(folder: Path) -> str:
    """What numba names a folder's code by."""
    return hashlib.sha1(str(folder).encode(), usedforsecurity=False).hexdigest()
