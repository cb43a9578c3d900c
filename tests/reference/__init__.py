# SPDX-License-Identifier: Apache-2.0
"""Plain twins of the core's kernels: slow, short, and what they say is what the format means."""
