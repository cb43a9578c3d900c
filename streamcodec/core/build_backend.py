# SPDX-License-Identifier: Apache-2.0
"""Builds the package: scikit-build-core's backend, with a compiler of its own where there is none.

Where neither CXX nor a C++ compiler on the PATH is found, the build asks PyPI for `ziglang`, whose
`zig c++` compiles the native core. So Python alone is enough to install, if its headers are there:
distributions keep these in a package of their own, and a sentence says which.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scikit_build_core import build as _build

prepare_metadata_for_build_editable = _build.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = _build.prepare_metadata_for_build_wheel
build_sdist = _build.build_sdist
get_requires_for_build_sdist = _build.get_requires_for_build_sdist

_COMPILERS = ("c++", "g++", "clang++")
_ZIG = "ziglang>=0.13"


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return _with_compiler(_build.get_requires_for_build_wheel(config_settings))


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return _with_compiler(_build.get_requires_for_build_editable(config_settings))


def build_wheel(folder: str, config_settings: Any = None, metadata: str | None = None) -> str:
    with _compiler():
        return str(_build.build_wheel(folder, config_settings, metadata))


def build_editable(folder: str, config_settings: Any = None, metadata: str | None = None) -> str:
    with _compiler():
        return str(_build.build_editable(folder, config_settings, metadata))


def _has_compiler() -> bool:
    return bool(os.environ.get("CXX")) or any(shutil.which(name) for name in _COMPILERS)


def _with_compiler(requirements: list[str]) -> list[str]:
    _need_headers(Path(sysconfig.get_path("include")))
    return requirements if _has_compiler() else [*requirements, _ZIG]


def _need_headers(folder: Path) -> None:
    """Exit with a sentence where this Python came without the headers of its C interface."""
    if not (folder / "Python.h").exists():
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(
            f"streamcodec's native core needs Python's headers, and {folder / 'Python.h'} is not "
            f"there: install them (Debian and Ubuntu: python{version}-dev, Fedora: "
            f"python{version}-devel or python3-devel) and try again"
        )


@contextmanager
def _compiler() -> Iterator[None]:
    """Let CMake find a compiler: the machine's, or zig's behind a script that calls it."""
    if _has_compiler():
        yield
        return
    if importlib.util.find_spec("ziglang") is None:
        sys.exit(
            "streamcodec's native core needs a C++ compiler and none was found: install one "
            "(Debian and Ubuntu: g++, Fedora: gcc-c++, macOS: xcode-select --install), "
            "or let pip build in isolation, which takes one from PyPI"
        )
    with tempfile.TemporaryDirectory(prefix="streamcodec-zig-") as folder:
        scripts = {}
        for variable, command in (
            ("CC", "cc"), ("CXX", "c++"), ("AR", "ar"), ("RANLIB", "ranlib"),
        ):  # fmt: skip
            script = Path(folder) / f"zig-{command}"
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ziglang {command} "$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
            scripts[variable] = str(script)
        before = {name: os.environ.get(name) for name in (*scripts, "CMAKE_ARGS")}
        os.environ.update(scripts)
        os.environ["CMAKE_ARGS"] = " ".join(
            (
                before["CMAKE_ARGS"] or "",
                f"-DCMAKE_AR={scripts['AR']}",
                f"-DCMAKE_RANLIB={scripts['RANLIB']}",
                "-DSC_ARCH=x86_64_v",  # zig's name of the levels
            )
        ).strip()
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
