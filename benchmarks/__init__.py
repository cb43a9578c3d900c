# SPDX-License-Identifier: Apache-2.0
"""The measurements behind the figures in the documents; each records its command."""
