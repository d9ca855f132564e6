#!/bin/sh
# usage: subproject.sh BUILD SOURCE: the program embed with SOURCE as a Meson subproject, by the wrap of docs/deployment.md. All is
# as in a user's project, but that of the library's files only two are compiled there, which would take minutes: the rest comes from BUILD.
set -e
unset LD_LIBRARY_PATH  # of the build, set by `meson test`
build=$1 source=$2
here=$(dirname "$(readlink -f "$0")")
work=$build/acceptance/subproject
rm -rf "$work"
mkdir -p "$work/subprojects"
cp "$here"/embed/* "$work"
cd "$work"
ln -s "$source" subprojects/tapir  # what the wrap would fetch
sed -n '/^\[wrap-git\]$/,/^```$/p' "$source/docs/deployment.md" | grep -v '```' > subprojects/tapir.wrap

meson setup build > log || { cat log; exit 1; }
grep -q '^Dependency tapir found: YES .*(overridden)' log || { echo "the wrap was not used:"; cat log; exit 1; }
cd build
targets=$(ninja -t targets all | sed -n 's/: cpp_.*//p')
if echo "$targets" | grep -E '/(test|bench|examples)/'; then
  echo "a subproject builds the targets above"
  exit 1
fi
own=$(echo "$targets" | grep -E '/libtapir[^/]*/(tensor_shape|backends_cpu_half_loops)\.cpp\.o$')
# shellcheck disable=SC2086
ninja --quiet $own embed.p/main.cpp.o
# shellcheck disable=SC2086
ninja -t commands $own | grep -q -- ' -O3 ' || { echo "a project that is debugged gets slow kernels"; exit 1; }
cp -d "$(find "$build" -maxdepth 1 -name 'libtapir.so.*.*.*' -type f)" subprojects/tapir/
for file in "$build"/libtapir.so*; do [ ! -h "$file" ] || cp -d "$file" subprojects/tapir/; done
ninja -t commands embed | tail -1 | sh
ldd "$PWD/embed" | grep -q "$PWD/subprojects/tapir/libtapir" || { echo "embed uses another library:"; ldd embed; exit 1; }
exec ./embed
