# SPDX-License-Identifier: Apache-2.0
"""Motion: sub-pel planes, block search, compensation. Compiled; decoders see integers only."""
