# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks: exact decoder networks, and encoder networks of any precision."""
