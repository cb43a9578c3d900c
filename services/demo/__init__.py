# SPDX-License-Identifier: Apache-2.0
"""`streamcodec demo`: a sender and a receiver on this machine, and a picture of what happened."""
