# SPDX-License-Identifier: Apache-2.0
"""The layout of 16x16 blocks: channels, quantiser steps, loop filter weights."""
