# SPDX-License-Identifier: Apache-2.0
"""Entropy coding: integer tables, a rANS coder, and adaptive binary contexts. No torch here."""
