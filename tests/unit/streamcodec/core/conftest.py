# SPDX-License-Identifier: Apache-2.0
"""Every kernel is tested at each level of instructions that this machine has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streamcodec import _core


@pytest.fixture(params=_core.levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """A level of instructions, in force for one test."""
    before = _core.level()
    _core.choose_level(request.param)
    yield request.param
    _core.choose_level(before)
