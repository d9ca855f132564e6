#!/usr/bin/env bash
# What a user's build costs: compile time of a one-page program against <tapir/tapir.h>, lines after the preprocessor,
# size of the stripped library, size and start of the program. usage: bench/build.sh BUILD_FOLDER [--json]
set -euo pipefail
build=$1 json=${2:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cat > "$tmp/page.cpp" <<'P'
#include <tapir/tapir.h>
#include <iostream>
int main() {
  using namespace tapir;
  nn::Sequential model{nn::Dense(32, {.activation = "relu"}), nn::Dense(1)};
  Tensor x = random::normal({64, 8}, {.seed = 1}), y = sum(x, {.axis = 1, .keepdims = true});
  model.compile({.optimizer = optim::Adam({.learning_rate = 1e-2}), .loss = "mse"});
  model.fit(x, y, {.epochs = 2, .verbose = 0});
  std::cout << model.evaluate(x, y)["loss"] << "\n";
}
P
compile() { g++ -std=c++20 -O2 -I "$build/include" -c "$tmp/page.cpp" -o "$tmp/page.o"; }
times=()
for _ in 1 2 3 4 5; do
  start=$(date +%s%N)
  compile
  times+=($((($(date +%s%N) - start) / 1000000)))
done
median=$(printf '%s\n' "${times[@]}" | sort -n | sed -n 3p)
lines=$(g++ -std=c++20 -I "$build/include" -E -P "$tmp/page.cpp" | wc -l)
library=$(readlink -f "$build/libtapir.so")
strip -o "$tmp/libtapir.so" "$library"
size=$(stat -c %s "$tmp/libtapir.so")
if [ "$json" = --json ]; then
  echo "{\"compile_ms\": $median, \"preprocessed_lines\": $lines, \"stripped_bytes\": $size}"
else
  printf '%-58s %8s ms\n' "compile a one-page program, g++ -O2, median of 5" "$median"
  printf '%-58s %8s lines\n' "the same after the preprocessor" "$lines"
  printf '%-58s %8s MB\n' "libtapir.so, stripped" "$(awk "BEGIN{printf \"%.2f\", $size / 1e6}")"
fi
