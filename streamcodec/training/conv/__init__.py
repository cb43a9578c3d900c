# SPDX-License-Identifier: Apache-2.0
"""How the convolutional networks are trained."""
