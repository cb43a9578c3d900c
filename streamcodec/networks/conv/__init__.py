# SPDX-License-Identifier: Apache-2.0
"""Convolutional networks around the block codec: an exact decoder side, a free encoder side."""
