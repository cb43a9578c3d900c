# SPDX-License-Identifier: Apache-2.0
"""The session protocol (docs/protocol.md): pure, clocks handed in, bytes in and values out."""
