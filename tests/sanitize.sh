#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the module with address and undefined-behaviour sanitizers and runs the tests that touch it:
# `sh tests/sanitize.sh PYTHON [PYTEST ARGUMENTS]`. PYTHON has the development dependencies; cmake and
# nanobind come from it or from the PATH.
set -e
cd "$(dirname "$0")/.."
python=$1
shift
[ $# != 0 ] || set -- tests/unit/streamcodec/core tests/property tests/conformance
PATH=$(dirname "$python"):$PATH
cmake -S . -B build/asan -DSC_SANITIZE=ON -DPython_EXECUTABLE="$python"
cmake --build build/asan --parallel "${JOBS:-2}"

# A copy of the sources with this module in it, so that the tests find no other one.
copy=build/asan/copy
rm -rf $copy
mkdir -p $copy
cp -R pyproject.toml streamcodec services benchmarks tests $copy
rm -f $copy/streamcodec/_core*.so
cp build/asan/_core*.so $copy/streamcodec/
# An editable installation would be found before them, in child processes as well.
cat > $copy/sitecustomize.py <<'END'
import sys
sys.meta_path[:] = [one for one in sys.meta_path if "Redirecting" not in type(one).__name__]
END

# The interpreter itself has no sanitizers, so that their libraries must come first; what Python
# keeps until it exits is no leak.
compiler=${CXX:-c++}
libraries=$($compiler -print-file-name=libasan.so):$($compiler -print-file-name=libubsan.so)
cd $copy
export PYTHONPATH="$PWD" ASAN_OPTIONS="detect_leaks=0:$ASAN_OPTIONS"
export UBSAN_OPTIONS="print_stacktrace=1:$UBSAN_OPTIONS"
LD_PRELOAD=$libraries "$python" - <<'END'
import os
from streamcodec import _core
place = os.path.abspath(_core.__file__)
print("sanitized module:", place)
assert place.startswith(os.getcwd() + os.sep), "this is not the module that was just built"
END
LD_PRELOAD=$libraries exec "$python" -m pytest -p no:cacheprovider "$@"
