# SPDX-License-Identifier: Apache-2.0
"""Serves the metrics of a process where its settings ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.settings.config import WebSettings

if TYPE_CHECKING:
    from services.view.metrics import Snapshot


@contextmanager
def serving_metrics(wanted: WebSettings, snapshot: Callable[[], Snapshot]) -> Iterator[str | None]:
    """Serve /metrics, /healthz and /readyz while inside; nothing is loaded where not asked for."""
    if wanted.metrics is None:
        yield None
        return
    from services.view.access import parse_listen  # noqa: PLC0415  (aiohttp, if needed at all)
    from services.view.metrics import MetricsServer  # noqa: PLC0415

    server = MetricsServer(parse_listen(wanted.metrics, setting="web.metrics"), snapshot)
    try:
        yield server.url
    finally:
        server.close()
