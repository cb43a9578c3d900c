# SPDX-License-Identifier: Apache-2.0
"""Sockets, addresses and keys: how bytes get from one process to another."""
