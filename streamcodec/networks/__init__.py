# SPDX-License-Identifier: Apache-2.0
"""Networks: the exact integer prior, and convolutional networks (conv/)."""
