# SPDX-License-Identifier: Apache-2.0
"""Training of weights. Only the `train` command imports this room."""
