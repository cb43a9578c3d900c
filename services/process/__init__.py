# SPDX-License-Identifier: Apache-2.0
"""A process of ours among others: threads, logs, descriptors, the system's supervisor."""
