# SPDX-License-Identifier: Apache-2.0
"""The first instant of the `streamcodec` command: signals are heard before anything is loaded."""

from __future__ import annotations

import sys
from typing import NoReturn

from services.commands.signals import leave_on_signals
from services.process.huge_pages import start_again

# Commands that code pictures; the others need not start twice.
_CODING = frozenset({"decode", "demo", "doctor", "encode", "recv", "send", "simulate", "train"})


def main() -> NoReturn:
    """See `services.cli.main`."""
    leave_on_signals()
    if _CODING.intersection(sys.argv[1:2]):
        start_again()
    from services.cli import main as run  # noqa: PLC0415  (takes half a second)

    run()
