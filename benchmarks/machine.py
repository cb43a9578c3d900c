# SPDX-License-Identifier: Apache-2.0
"""Conditions of a measurement: processor, versions, command."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("streamcodec", "numpy", "torch", "opencv-python", "av", "pillow")


def describe(*, device: str = "cpu") -> dict[str, object]:
    """Machine, versions and command of this run, ready for JSON; no host name."""
    facts: dict[str, object] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": _versions(),
        "command": command(),
    }
    if device == "cuda":
        import torch  # noqa: PLC0415  # heavy, and only asked for when a GPU was measured

        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def command() -> str:
    """The command line as typed, with the module in place of its path."""
    module = Path(sys.argv[0]).stem
    return shlex.join(["python", "-m", f"benchmarks.{module}", *sys.argv[1:]])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
