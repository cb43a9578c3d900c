# SPDX-License-Identifier: Apache-2.0
"""The first instant of the `streamcodec` command: signals are heard before anything is loaded."""

from __future__ import annotations

from typing import NoReturn

from services.commands.signals import leave_on_signals


def main() -> NoReturn:
    """See `services.cli.main`."""
    leave_on_signals()
    from services.cli import main as run  # noqa: PLC0415  (takes half a second)

    run()
