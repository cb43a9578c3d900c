# SPDX-License-Identifier: Apache-2.0
"""Where frames come from and where they go: sources and sinks."""
