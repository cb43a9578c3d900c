# SPDX-License-Identifier: Apache-2.0
"""What happens inside 16x16 blocks: transform, intra prediction, quantisation, deblocking."""
