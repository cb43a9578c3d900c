# SPDX-License-Identifier: Apache-2.0
"""How weights are made. Nothing else imports this room but the `train` command."""
