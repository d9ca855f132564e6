#!/bin/sh
# usage: readme.sh README TEN_LINES NETWORK: writes the programs of the README as files that compile.
set -e
block() { awk -v wanted="$1" '/^```cpp$/ { inside = ++n == wanted; next } /^```$/ { inside = 0 } inside' "$2"; }
block 1 "$1" > "$2"
{
  echo '#include <tapir/tapir.h>'
  echo 'using namespace tapir;'
  echo 'int main() {'
  block 2 "$1"
  echo '}'
} > "$3"
