# SPDX-License-Identifier: Apache-2.0
"""The encoder as dense arithmetic in torch, for a GPU: docs/gpu.md."""
