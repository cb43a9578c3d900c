# SPDX-License-Identifier: Apache-2.0
"""Plain twins of the core's kernels: slow and short; they define the format."""
