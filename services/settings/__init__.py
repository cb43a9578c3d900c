# SPDX-License-Identifier: Apache-2.0
"""Settings: what there is to set, and where a value comes from."""
