# SPDX-License-Identifier: Apache-2.0
"""What a package of ours holds, and what its page says; nothing is compiled for it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from streamcodec import __version__
from streamcodec.core import readme

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def package_data() -> set[str]:
    """What is needed at run time and is no Python: weights, profiles, the page, type stubs."""
    packages = ((ROOT / name).rglob("*") for name in ("streamcodec", "services"))
    files = (path.relative_to(ROOT) for found in packages for path in found if path.is_file())
    outside = ("__pycache__", "core", "checkpoints")
    return {
        str(path)
        for path in files
        if path.suffix not in (".py", ".so") and not set(path.parts) & set(outside)
    }


def test_the_data_is_what_the_programs_read() -> None:
    kinds = {Path(name).suffix for name in package_data()}
    assert kinds >= {".safetensors", ".toml", ".trace", ".html", ".js", ".css", ".svg", ".pyi"}
    assert "streamcodec/py.typed" in package_data()


def test_the_page_of_the_package_names_authors_links_and_versions() -> None:
    assert PROJECT["authors"]
    assert {"Source", "Changelog", "Documentation", "Issues"} <= set(PROJECT["urls"])
    tried = re.findall(r'"(3\.\d+)"', (ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    named = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if " :: Python :: 3." in c]
    assert named == tried


def test_pictures_and_links_of_the_page_are_addresses_of_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    page = readme.with_addresses(text, source="https://host/ours", version="1.2")
    assert "](docs/" not in page
    assert "![An original, our keyframe" in page
    found = re.findall(r"\]\(https://host/ours/(raw|blob)/v1\.2/([^)]+)\)", page)
    assert ("raw", "docs/pictures/keyframe.png") in found
    assert [path for _, path in found if not (ROOT / path).exists()] == []
    assert readme.with_addresses("[a](#here) [b](https://x)", source="s", version="v") == (
        "[a](#here) [b](https://x)"
    )


@pytest.mark.timeout(400)
@pytest.mark.skipif(
    find_spec("scikit_build_core") is None, reason="scikit-build-core is not installed"
)
def test_the_source_package_holds_all_that_a_wheel_is_made_of(tmp_path: Path) -> None:
    code = f"import scikit_build_core.build as b; b.build_sdist({str(tmp_path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    top = f"streamcodec-{__version__}"
    with tarfile.open(tmp_path / f"{top}.tar.gz") as archive:
        names = {name.removeprefix(f"{top}/") for name in archive.getnames()}
        info = archive.extractfile(f"{top}/PKG-INFO")
        assert info is not None
        about = info.read().decode()
    core = {str(p.relative_to(ROOT)) for p in (ROOT / "streamcodec/core").rglob("*.?pp")}
    assert len(core) > 90
    assert names >= core | package_data()
    assert names >= {"CMakeLists.txt", "LICENSE", "README.md", "streamcodec/core/build_backend.py"}
    assert f"\nVersion: {__version__}\n" in about
    assert "/docs/pictures/keyframe.png)" in about


def test_a_python_without_its_headers_is_told_which_package_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("scikit_build_core", "scikit_build_core.build"):
        monkeypatch.setitem(sys.modules, name, MagicMock())
    place = ROOT / "streamcodec" / "core" / "build_backend.py"
    spec = spec_from_file_location("backend_under_test", place)
    assert spec is not None
    assert spec.loader is not None
    backend = module_from_spec(spec)
    spec.loader.exec_module(backend)
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-dev"
    with pytest.raises(SystemExit, match=rf"Python\.h is not there.*{package}"):
        backend._need_headers(tmp_path)
    (tmp_path / "Python.h").touch()
    backend._need_headers(tmp_path)
