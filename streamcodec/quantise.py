# SPDX-License-Identifier: Apache-2.0
"""What a bit is worth: the weights of the encoder's decisions by rate and distortion.

All in units of the step: a coefficient x of step D has the level a = |x| / D; choosing k costs
(a - k)**2 + mu * bits(k). mu = lambda / D**2 is the same at every quality.
"""

from __future__ import annotations

# Of 0.05 to 0.16 the best on training clips and pictures; H.264's 0.85 * 2**((QP - 12) / 3) is 0.13
# in our unit. All that follows is predicted from a keyframe, which is worth more bits.
MU = 0.10
KEY_MU = 0.09
BIAS_Q8 = 10  # decoders put a level 10/256 of a step nearer to zero
