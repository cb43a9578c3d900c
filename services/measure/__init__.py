# SPDX-License-Identifier: Apache-2.0
"""What is counted and timed, and what becomes of it as statistics; pure."""
