# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos to .scv files and back, as fast as the machine can."""
