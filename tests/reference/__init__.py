# SPDX-License-Identifier: Apache-2.0
"""Plain twins of the native core's kernels: slow, short, and what the kernels are compared with."""
