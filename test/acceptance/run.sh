#!/bin/sh
# usage: run.sh BUILD NAME [ARGS]: installs BUILD into a scratch prefix, compiles the program NAME against that as a user
# would (pkg-config --cflags --libs tapir) and runs it.
set -e
build=$1 name=$2
shift 2
here=$(dirname "$(readlink -f "$0")")
prefix=$build/acceptance/$name
rm -rf "$prefix"
mkdir -p "$prefix"
meson install -C "$build" --no-rebuild --quiet --destdir "$prefix/root"
pc=$(find "$prefix/root" -name tapir.pc)
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs tapir)
libdir=$(dirname "$(dirname "$pc")")
case $name in embed) source=$here/embed/main.cpp ;; *) source=$here/$name.cpp ;; esac
# the user's own flags are none: what the package needs it must say itself
# shellcheck disable=SC2086
${CXX:-g++} -O2 -Wall -Wextra "$source" -o "$prefix/program" $flags -Wl,-rpath,"$libdir" $TAPIR_LINK_FLAGS
cd "$prefix"
exec ./program "$@"
