#!/bin/sh
# usage: headers.sh INCLUDE: the umbrella header alone must compile, without Eigen, oneDNN, fmt or CUDA behind it; each public header
# must compile alone, and all of them without a warning with the compiler of the build, and with clang where there is one.
set -e
include=$1
text=$(mktemp)
trap 'rm -f "$text"' EXIT
echo '#include <tapir/tapir.h>' | ${CXX:-g++} -std=c++20 -Wall -Wextra -Werror -I "$include" -E -x c++ - > "$text"
if grep -E '^# [0-9]+ "[^"]*(eigen3|Eigen/|oneapi|dnnl|/fmt/|/cuda[^"]*/include/|cudnn|nlohmann)[^"]*"|/c[+][+]/[0-9]+/(regex|iostream|functional|map|unordered_map)"' "$text" | sort -u | head -5 | grep .; then
  echo "tapir.h pulls in the headers above"
  exit 1
fi
echo "tapir.h: $(wc -l < "$text") lines after the preprocessor"

compilers=${CXX:-g++}
for clang in clang++-19 clang++-18 clang++-17 clang++-16 clang++; do  # up to 15 it does not know std::source_location
  if echo '#include <tapir/tensor/error.h>' | $clang -std=c++20 -I "$include" -fsyntax-only -x c++ - 2> /dev/null; then
    compilers="$clang $compilers"
    break
  fi
done
headers=$(cd "$include/tapir/" && ls tapir.h tensor/*.h ops/*.h autograd/*.h graph/*.h nn/*.h data/*.h io/*.h look/*.h formats.h formats/*.h distributed.h distributed/world.h distributed/data_parallel.h)
flags="-std=c++20 -Wall -Wextra -Wconversion -Werror -I $include -fsyntax-only -x c++ -"
eigen=$(pkg-config --cflags-only-I eigen3 | sed 's/-I/-isystem /g')  # which that header alone needs
for compiler in $compilers; do
  echo "$compiler: $(echo "$headers" | wc -l) headers"
  # shellcheck disable=SC2086
  echo "$headers" | sed 's|.*|#include <tapir/&>|' | $compiler $flags
  # shellcheck disable=SC2086
  echo '#include <tapir/eigen.h>' | $compiler $eigen $flags
done
export compiler flags  # each alone with the last one
# shellcheck disable=SC2016
echo "$headers" | xargs -P "$(nproc)" -n 1 sh -c 'echo "#include <tapir/$0>" | $compiler $flags || { echo "$0: not alone"; exit 1; }'
