#!/bin/sh
# usage: document.sh BUILD document.py PAGE PROGRAM: holds PAGE to what it says (test/document.py), with its commands run against an
# installed copy of BUILD that was moved.
set -e
build=$1 document=$2 page=$3 program=$4
. "$(dirname "$(readlink -f "$0")")/moved_install.sh"
for tool in cmake ninja; do command -v $tool > /dev/null || { echo "no $tool here"; exit 77; }; done
work=$build/acceptance/$(basename "$page" .md)
moved_install "$build" "$work"
export PKG_CONFIG_PATH="$libdir/pkgconfig" CMAKE_PREFIX_PATH="$prefix" LD_LIBRARY_PATH="$libdir" TAPIR_INSTALLED=1
exec "$document" check "$page" "$program" "$work/folder"
