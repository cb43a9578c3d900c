# SPDX-License-Identifier: Apache-2.0
"""From settings to the address of an end, with the keys that belong to its role."""

from __future__ import annotations

from pathlib import Path

from services.errors import ConfigError
from services.settings.config import DEFAULT_ENDPOINT, SecuritySettings
from services.wire.endpoint import CurveClient, CurveServer, Endpoint
from services.wire.endpoint_keys import client_keys, server_keys
from services.wire.keys import Right


def endpoint(
    *,
    where: str,
    bind: str | None,
    connect: str | None,
    binds: bool,
    security: SecuritySettings,
    max_message_bytes: int = 4096,
    stream: str = "",
) -> Endpoint:
    """The address of an end, with its keys. `binds` says what it does where neither is given;
    `stream` says which key to insist on where several would do.

    `where` names the end's settings; a "receiver" takes frames, the others give them. Raises
    ConfigError or AuthenticationError.
    """
    if bind and connect:
        raise ConfigError(f"{where}.bind and {where}.connect are both given; keep one of them")
    if not bind and not connect:
        bind, connect = (DEFAULT_ENDPOINT, None) if binds else (None, DEFAULT_ENDPOINT)
    keys: CurveServer | CurveClient | None = None
    if security.keys:
        right = Right.PUBLISH if where == "receiver" else Right.VIEW
        folder = Path(security.keys)
        if bind:
            keys = server_keys(folder, peers_need=right)
        else:
            keys = client_keys(folder, peer_needs=right, stream=stream)
    return Endpoint(
        bind or connect or "",
        bind=bool(bind),
        keys=keys,
        insecure=security.insecure,
        max_message_bytes=max_message_bytes,
    )
