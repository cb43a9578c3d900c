# SPDX-License-Identifier: Apache-2.0
"""Measurements that back every figure in the documents; each prints its own command."""
