# SPDX-License-Identifier: Apache-2.0
"""Rooms stand in the order that docs/architecture.md writes down, and no import runs upwards."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRITTEN = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ORDERS = {
    package: re.findall(r"[\w.]+", " ".join(re.findall(rf"^    {package}: (.+)$", WRITTEN, re.M)))
    for package in ("streamcodec", "services")
}
# The bundle of a model's networks carries the encoder's too, and how levels are chosen stands
# beside how they are read.
ALLOWED = {
    ("streamcodec.correction", "streamcodec.networks.conv.encoder.EncoderNetwork"),
    ("streamcodec.correction", "streamcodec.quantise"),
}


def modules_of(package: str) -> dict[str, Path]:
    files = (path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))
    return {".".join(f.with_suffix("").parts).removesuffix(".__init__"): ROOT / f for f in files}


def imports_of(path: Path) -> Iterator[str]:
    """Every name that a module imports, also late or for its types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def place_of(name: str) -> int:
    """A name's place in its package's order: the longest entry that it begins with counts."""
    package, _, inside = name.partition(".")
    entries = [entry for entry in ORDERS[package] if f"{inside}.".startswith(f"{entry}.")]
    assert entries, f"docs/architecture.md has no place for {name} in its order"
    return ORDERS[package].index(max(entries, key=len))


@pytest.mark.parametrize("package", ORDERS)
def test_no_import_runs_against_the_written_order(package: str) -> None:
    backward = [
        (module, name)
        for module, path in modules_of(package).items()
        for name in imports_of(path)
        if module != package and name.startswith(f"{package}.")
        if place_of(name) > place_of(module)
    ]
    assert {pair for pair in backward if pair not in ALLOWED} == set()


def test_the_codec_knows_nothing_of_the_services() -> None:
    names = [name for path in modules_of("streamcodec").values() for name in imports_of(path)]
    assert [n for n in names if n.startswith(("services", "benchmarks", "tests"))] == []


def test_services_has_at_most_three_modules_beside_its_rooms() -> None:
    beside = {path.name for path in (ROOT / "services").glob("*.py")} - {"__init__.py"}
    assert len(beside) <= 3, beside
