# SPDX-License-Identifier: Apache-2.0
"""Fresh keys."""

from __future__ import annotations

import zmq


def make_pair() -> tuple[bytes, bytes]:
    """A fresh public and secret key, 40 bytes of Z85 each."""
    while True:
        public, secret = zmq.curve_keypair()
        if not public.startswith(b"-"):  # on a command line it would pass for an option
            return public, secret
