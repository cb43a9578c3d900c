# SPDX-License-Identifier: Apache-2.0
"""How much to send: feedback in, the budget of the next frame out; pure."""
