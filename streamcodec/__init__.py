# SPDX-License-Identifier: Apache-2.0
"""streamcodec: live video through thin links with a learned codec."""

from streamcodec.frame import Frame, Reference

__version__ = "0.1.0"
__all__ = ["Frame", "Reference", "__version__"]
