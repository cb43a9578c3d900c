# SPDX-License-Identifier: Apache-2.0
"""Lambda of the quantiser: the weight of bits against squared error.

In units of the step: a coefficient x of step D has the level a = |x| / D; choosing k costs
(a - k)**2 + mu * bits(k). mu = lambda / D**2 is the same at every quality.
"""

from __future__ import annotations

# The best of 0.05 to 0.16 on training clips and pictures; H.264's 0.85 * 2**((QP - 12) / 3) is 0.13
# in this unit. Lower in keyframes: all later frames are predicted from them.
MU = 0.10
KEY_MU = 0.09
BIAS_Q8 = 10  # decoders shift a level by 10/256 of a step towards zero
