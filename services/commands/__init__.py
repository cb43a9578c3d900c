# SPDX-License-Identifier: Apache-2.0
"""The commands, one module each; heavy imports wait inside the functions, so that help is fast."""
