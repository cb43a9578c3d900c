# SPDX-License-Identifier: Apache-2.0
"""A few seconds of each fuzz target: nothing but documented errors comes of mutated packets."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from streamcodec import Codec
from tests.conformance.material import VECTORS
from tests.fuzz import container

# A busy machine takes minutes to compile the targets, once.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
SECONDS = 3


def compiler() -> str | None:
    return shutil.which(os.environ.get("CXX", "c++"))


def has_sanitizers(folder: Path) -> bool:
    """Whether the compiler at hand links both sanitizers."""
    source = folder / "empty.cpp"
    source.write_text("int main() {}\n")
    found = compiler()
    if found is None:
        return False
    command = [found, "-fsanitize=address,undefined", str(source), "-o", str(folder / "empty")]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def say(result: subprocess.CompletedProcess[str]) -> str:
    return (result.stdout + result.stderr)[-4000:]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both targets; objects stay in build/fuzz for the next time."""
    if not has_sanitizers(tmp_path_factory.mktemp("compiler")):
        pytest.skip("no C++ compiler with address and undefined-behaviour sanitizers is at hand")
    folder = ROOT / "build" / "fuzz"
    command = ["sh", str(ROOT / "tests" / "fuzz" / "build.sh"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, say(result)
    return folder


@pytest.mark.parametrize("target", ["parser", "decoder"])
def test_mutated_packets_never_leave_the_native_core_s_bounds(
    target: str, built: Path, tmp_path: Path
) -> None:
    packets = sorted(str(path) for path in VECTORS.glob("*.packet"))
    command = [str(built / target), str(SECONDS), "1", *packets]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, say(result)
    assert "executions" in result.stdout


def test_mutated_recordings_raise_documented_errors_only(tmp_path: Path) -> None:
    outcome = container.run(SECONDS, 1, tmp_path, Codec.load())
    assert outcome.executions > 0
    assert outcome.pictures > 0
