# SPDX-License-Identifier: Apache-2.0
"""Data that is not part of the project, where a checkout has it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_folder() -> Path:
    """The folder with recorded traces and clips; the test is skipped where it is absent."""
    beside = Path(__file__).parents[4] / ".." / "shared" / "data"
    folder = Path(os.environ.get("STREAMCODEC_DATA", beside))
    if not (folder / "traces").is_dir():
        pytest.skip("no recorded traces: set STREAMCODEC_DATA to the folder that holds traces/")
    return folder
