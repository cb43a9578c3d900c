# SPDX-License-Identifier: Apache-2.0
"""Pictures and videos in files: what reads them."""
