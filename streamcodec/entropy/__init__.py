# SPDX-License-Identifier: Apache-2.0
"""Integer tables for the entropy coder; the core holds the coder itself."""
