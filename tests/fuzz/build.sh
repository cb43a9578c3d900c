#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets under both sanitizers: `sh tests/fuzz/build.sh [FOLDER [TARGET...]]`.
# Kernels are compiled once, for LEVEL (a value of -march; "native" unless said; another level wants
# another folder).
set -e
cd "$(dirname "$0")/../.."
folder=${1:-build/fuzz}
[ $# = 0 ] || shift
targets=${*:-parser decoder}
core=streamcodec/core
flags="-std=c++20 -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -DSC_CHECKED"
flags="$flags -ffp-contract=off -I$core -Itests/fuzz"
covered="-fsanitize-coverage=trace-pc"
mkdir -p "$folder"

parser="$core/contexts.cpp $core/syntax.cpp $core/entropy/mixing.cpp $core/entropy/rans.cpp
    $core/entropy/symbols.cpp $core/entropy/tables.cpp"
decoder="$parser $core/dispatch.cpp $core/pool.cpp $core/blocks/intra.cpp $core/blocks/rebuild.cpp
    $core/blocks/residual.cpp $core/blocks/transform.cpp $core/pictures/compensate.cpp
    $core/pictures/deblock.cpp $core/pictures/edges.cpp $core/pictures/loopfilter.cpp
    $core/pictures/overlap.cpp $core/prior/features.cpp $core/prior/prior.cpp
    $core/prior/spectrum.cpp"
kernels="$core/kernels/*.cpp"

object() { echo "$folder/$(echo "$1" | tr / .).o"; }
# An object is made anew when its source or any header is younger.
made() { [ -f "$1" ] && [ -z "$(find $core tests/fuzz -name "*.hpp" -newer "$1" | head -1)" ] &&
    [ ! "$2" -nt "$1" ]; }
# "OBJECT FLAGS... SOURCE", one a line, for each file that a target needs.
commands() {
    for target in $targets; do
        for file in $(eval echo "\$$target") "tests/fuzz/$target.cpp"; do
            made "$(object "$file")" "$file" || echo "$(object "$file") $flags $covered $file"
        done
        [ "$target" = parser ] || for file in $kernels; do
            made "$(object "$file")" "$file" ||
                echo "$(object "$file") $flags $covered -DSC_LEVEL=plain -march=${LEVEL:-native} $file"
        done
    done
    made "$(object tests/fuzz/driver.cpp)" tests/fuzz/driver.cpp ||  # which is not to be covered
        echo "$(object tests/fuzz/driver.cpp) $flags tests/fuzz/driver.cpp"
}
commands | sort -u | xargs -r -P "${JOBS:-2}" -L 1 "${CXX:-c++}" -c -o

for target in $targets; do
    objects=$(object tests/fuzz/driver.cpp)
    for file in $(eval echo "\$$target") "tests/fuzz/$target.cpp"; do
        objects="$objects $(object "$file")"
    done
    [ "$target" = parser ] || for file in $kernels; do objects="$objects $(object "$file")"; done
    # shellcheck disable=SC2086
    "${CXX:-c++}" $flags $objects -pthread -o "$folder/$target"
done
