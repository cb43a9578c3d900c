#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the fuzz targets under both sanitizers: `sh tests/fuzz/build.sh [FOLDER]`.
set -e
cd "$(dirname "$0")/../.."
folder=${1:-build/fuzz}
core=streamcodec/core
flags="-msse4.1 -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -DSC_CHECKED -I$core"
mkdir -p "$folder"
for file in $core/contexts.cpp $core/syntax.cpp $core/entropy/*.cpp tests/fuzz/parser.cpp; do
    object=$folder/$(echo "$file" | tr / .).o
    # shellcheck disable=SC2086
    ${CXX:-c++} $flags -fsanitize-coverage=trace-pc -c "$file" -o "$object"
    objects="$objects $object"
done
# The driver itself is not to be covered.
# shellcheck disable=SC2086
${CXX:-c++} $flags tests/fuzz/driver.cpp $objects -o "$folder/parser"
