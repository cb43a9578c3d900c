# SPDX-License-Identifier: Apache-2.0
"""Huge pages for what the allocator hands out: half the time a frame on a busy virtual machine.

A frame reads and writes some megabytes of arrays once each. With pages of 4 KiB the processor has
to translate thousands of addresses for that. On a virtual machine each walks the page tables of
guest and host, which is slowest where neighbours fill the shared caches (an encode took 12 against
7 ms in the same minute). Linux gives pages of 2 MiB to memory that asks for them, and glibc asks
when `GLIBC_TUNABLES` has it do so. That is read when a process begins, so the program starts itself
once more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_VARIABLE = "GLIBC_TUNABLES"
_TUNABLE = "glibc.malloc.hugetlb"
_KERNEL = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_FIRST_GLIBC = (2, 35)  # that knows the tunable


def tunables(environ: Mapping[str, str], kernel: str, glibc: str) -> str | None:
    """The variable's new value; None where nothing would change.

    `kernel` is the text of the kernel's setting ("always [madvise] never"), `glibc` a version, or
    "" for another library.
    A value that somebody chose stays.
    """
    given = environ.get(_VARIABLE, "")
    if "[madvise]" not in kernel or _TUNABLE in given or not _knows_tunable(glibc):
        return None
    return f"{given}:{_TUNABLE}=1".lstrip(":")


def describe(environ: Mapping[str, str], kernel: str) -> str:
    """How memory of this process is paged, for a person."""
    if "[always]" in kernel:
        return "huge (the kernel's choice)"
    if "[madvise]" in kernel and f"{_TUNABLE}=1" in environ.get(_VARIABLE, ""):
        return f"huge ({_VARIABLE})"
    return "small"


def kernel_setting() -> str:
    """The kernel's setting; "" where there is none."""
    try:
        return _KERNEL.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def start_again() -> None:
    """Start this program once more with huge pages; returns where that would change nothing."""
    value = tunables(os.environ, kernel_setting(), _glibc())
    if value is None or not sys.executable or not sys.orig_argv[1:]:
        return
    try:
        os.execve(
            sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, _VARIABLE: value}
        )
    except OSError:  # it goes on as it is
        return


def _glibc() -> str:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    except (AttributeError, OSError, ValueError):
        return ""


def _knows_tunable(glibc: str) -> bool:
    major, _, minor = glibc.partition(".")
    return major.isdigit() and minor.isdigit() and (int(major), int(minor)) >= _FIRST_GLIBC
