# SPDX-License-Identifier: Apache-2.0
"""The relay: packets of one sender to many receivers."""
