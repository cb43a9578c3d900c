# SPDX-License-Identifier: Apache-2.0
"""The receiver: packets to pictures."""
