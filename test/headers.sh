#!/bin/sh
# usage: headers.sh INCLUDE: the umbrella header alone must compile, without Eigen, oneDNN, fmt or CUDA behind it.
set -e
text=$(mktemp)
trap 'rm -f "$text"' EXIT
echo '#include <tapir/tapir.h>' | ${CXX:-g++} -std=c++20 -Wall -Wextra -Werror -I "$1" -E -x c++ - > "$text"
if grep -E '^# [0-9]+ "[^"]*(eigen3|Eigen/|oneapi|dnnl|/fmt/|cuda|cudnn|nlohmann)[^"]*"|/c[+][+]/[0-9]+/(regex|iostream|functional|map|unordered_map)"' "$text" | sort -u | head -5 | grep .; then
  echo "tapir.h pulls in the headers above"
  exit 1
fi
echo "tapir.h: $(wc -l < "$text") lines after the preprocessor"
for header in $(cd "$1/tapir/" && ls tensor/*.h ops/*.h autograd/*.h graph/*.h nn/*.h data/*.h io/*.h look/*.h 2>/dev/null); do
  echo "#include <tapir/$header>" | ${CXX:-g++} -std=c++20 -Wall -Wextra -Wconversion -Werror -I "$1" -fsyntax-only -x c++ - || {
    echo "$header does not compile alone"
    exit 1
  }
done
