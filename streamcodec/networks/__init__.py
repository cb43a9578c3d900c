# SPDX-License-Identifier: Apache-2.0
"""Networks: the exact integer prior and loop filter, and the layers they are made of."""
