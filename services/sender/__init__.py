# SPDX-License-Identifier: Apache-2.0
"""The sender: source to packets, and a recording sent again."""
