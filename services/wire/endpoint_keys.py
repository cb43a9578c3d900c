# SPDX-License-Identifier: Apache-2.0
"""The keys of an end, from the folder of keys."""

from __future__ import annotations

from pathlib import Path

from services.errors import AuthenticationError
from services.wire.allow_list import AllowList
from services.wire.endpoint import CurveClient, CurveServer
from services.wire.keys import Right, read_identity, read_peers


def server_keys(folder: Path, *, peers_need: Right) -> CurveServer:
    """Keys of an end that binds and lets in whoever has the right."""
    identity = read_identity(folder)
    read_peers(folder)  # a wrong file is told at the start
    return CurveServer(
        identity.public_key, identity.secret_key, allowed=AllowList(folder, peers_need)
    )


def client_keys(folder: Path, *, peer_needs: Right, stream: str = "") -> CurveClient:
    """Keys of an end that connects: it insists on the one allowed key that has the right.

    Of several, it is the one that is allowed under the name of the stream.
    """
    identity = read_identity(folder)
    fitting = [peer for peer in read_peers(folder).values() if peer_needs in peer.rights]
    if len(fitting) > 1:
        fitting = [peer for peer in fitting if peer.name == stream] or fitting
    if len(fitting) != 1:
        found = ", ".join(peer.name for peer in fitting) or "none"
        raise AuthenticationError(
            f"{folder}: connecting needs exactly one allowed key with the right {peer_needs}, "
            f"found {found}; see `streamcodec keys allow`"
        )
    return CurveClient(identity.public_key, identity.secret_key, fitting[0].public_key)
