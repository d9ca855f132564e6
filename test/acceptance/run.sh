#!/bin/sh
# usage: run.sh BUILD TOOL NAME [ARGS]: installs BUILD, moves the installed tree, and builds the program NAME against it as a user
# would, with TOOL (pkg-config, meson or cmake): once with the shared library, once with the archive. Runs both.
set -e
build=$1 tool=$2 name=$3
shift 3
here=$(dirname "$(readlink -f "$0")")
. "$here/moved_install.sh"
command -v "$tool" > /dev/null || { echo "no $tool here"; exit 77; }

work=$build/acceptance/$name-$tool
moved_install "$build" "$work"
mkdir "$work/project"
cd "$work/project"
if [ "$name" = embed ]; then
  cp "$here"/embed/* .
else  # the same project around another program
  cp "$here/$name.cpp" .
  for file in meson.build CMakeLists.txt; do sed "s/main\.cpp/$name.cpp/" "$here/embed/$file" > $file; done
fi
source=$(ls ./*.cpp)
export PKG_CONFIG_PATH="$libdir/pkgconfig"
launcher=$(command -v ccache || true)

# The user's own flags are none that tapir needs: those it must say itself.
# shellcheck disable=SC2046
build_with() {  # shared or static
  case $tool-$1 in
    pkg-config-*)
      [ -f main.o ] || $launcher ${CXX:-g++} -O2 -Wall -Wextra -c "$source" -o main.o $(pkg-config --cflags tapir)
      mkdir "$1"
      case $1 in
        shared) ${CXX:-g++} main.o -o shared/embed $(pkg-config --libs tapir) -Wl,-rpath,"$libdir" ;;
        static) ${CXX:-g++} main.o -o static/embed $(pkg-config --libs tapir-static) ;;
      esac ;;
    meson-*)
      meson setup "$1" --buildtype=release -Dprefer_static=$([ "$1" = static ] && echo true || echo false)
      ninja -C "$1" ;;
    cmake-*)
      cmake -S . -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=Release ${launcher:+-DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"} \
        -DCMAKE_PREFIX_PATH="$prefix" -Dtapir_USE_STATIC_LIBS=$([ "$1" = static ] && echo ON || echo OFF)
      ninja -C "$1" ;;
  esac
}
build_with shared > shared.log 2>&1 || { cat shared.log; exit 1; }
build_with static > static.log 2>&1 || { cat static.log; exit 1; }

ldd shared/embed | grep -q "libtapir.* => $libdir/" || { echo "the shared program does not use the moved library:"; ldd shared/embed; exit 1; }
shared/embed "$@"
rm "$libdir"/libtapir.so*
echo "-- without the shared library:"
static/embed "$@"
if [ "$tool" = pkg-config ]; then  # which takes the archive once the shared library is gone
  ${CXX:-g++} main.o -o static/again $(pkg-config --static --libs tapir)
fi
