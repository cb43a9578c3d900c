# SPDX-License-Identifier: Apache-2.0
"""The link emulator: what a thin or lossy link does to packets, as a model and in real time."""
