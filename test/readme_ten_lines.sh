#!/bin/sh
# usage: readme_ten_lines.sh PROGRAM: the README's ten lines find 1, -2 and 0.5.
"$1" | awk '
  BEGIN { split("1 -2 0.5", expected) }
  { print; gsub(/[^0-9.-]/, " "); bad += ($1 - expected[NR]) ^ 2 > 1e-8 }
  END { exit bad > 0 || NR != 3 }'
