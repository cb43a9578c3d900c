# SPDX-License-Identifier: Apache-2.0
"""Huge pages: asked for where the system gives them on request, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from services.process.huge_pages import describe, kernel_setting, tunables

ON_REQUEST = "always [madvise] never\n"
ASKING = "glibc.malloc.hugetlb=1"


def test_the_allocator_asks_where_the_kernel_waits_for_it() -> None:
    assert tunables({}, ON_REQUEST, "2.36") == ASKING
    assert tunables({"GLIBC_TUNABLES": "glibc.rtld.nns=4"}, ON_REQUEST, "2.35") == (
        f"glibc.rtld.nns=4:{ASKING}"
    )


@pytest.mark.parametrize(
    ("environ", "kernel", "glibc"),
    [
        ({}, "[always] madvise never\n", "2.36"),
        ({}, "always madvise [never]\n", "2.36"),
        ({}, "", "2.36"),
        ({}, ON_REQUEST, "2.34"),
        ({}, ON_REQUEST, ""),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, ON_REQUEST, "2.36"),
        ({"GLIBC_TUNABLES": ASKING}, ON_REQUEST, "2.36"),
    ],
)
def test_nothing_is_changed_where_that_has_no_effect_or_somebody_chose(
    environ: dict[str, str], kernel: str, glibc: str
) -> None:
    assert tunables(environ, kernel, glibc) is None


def test_what_is_in_use_is_described() -> None:
    assert describe({"GLIBC_TUNABLES": ASKING}, ON_REQUEST) == "huge (GLIBC_TUNABLES)"
    assert describe({}, ON_REQUEST) == "small"
    assert describe({"GLIBC_TUNABLES": ASKING}, "always madvise [never]") == "small"
    assert describe({}, "[always] madvise never") == "huge (the kernel's choice)"


PROGRAM = """
import os, sys
from services.process.huge_pages import start_again
start_again()
print(os.environ.get("GLIBC_TUNABLES", ""), *sys.argv[1:])
"""


def test_a_program_starts_again_once_with_its_arguments() -> None:
    environ = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "one", "two words"],
        env=environ,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    glibc = (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ")
    value = tunables(environ, kernel_setting(), glibc) or ""
    assert done.stdout == f"{value} one two words\n"
