#!/bin/sh
# usage: debian.sh BUILD SOURCE: makes the Debian packages of BUILD, installs them with dpkg into a root of its own, which has the
# other packages of this machine in its list, and builds and runs the program embed against that.
set -e
unset LD_LIBRARY_PATH  # of the build, set by `meson test`
build=$1 source=$2
for tool in dpkg dpkg-shlibdeps cmake; do command -v $tool > /dev/null || { echo "no $tool here"; exit 77; }; done
[ -s /var/lib/dpkg/status ] || { echo "no Debian here"; exit 77; }
here=$(dirname "$(readlink -f "$0")")
work=$build/acceptance/debian
rm -rf "$work"
mkdir -p "$work"
cd "$work"
DPKG_DEB_OPTIONS='-Zgzip -z1' "$source/packaging/debian.sh" "$build" packages  # the CUDA kernels alone take xz a minute
for package in packages/*.deb; do dpkg-deb --info "$package" | grep -E '^ (Package|Version|Depends|Recommends|Installed-Size)'; done

mkdir -p root/var/lib/dpkg/info root/var/lib/dpkg/updates root/usr/bin
cp /var/lib/dpkg/status root/var/lib/dpkg/
(cd root/var/lib/dpkg/info && dpkg-query -W -f '${binary:Package}.list\n' | xargs touch)  # of which no files are there
install_in_root() { PATH=$PATH:/usr/sbin:/sbin dpkg --root="$work/root" --force-not-root --force-script-chrootless --log=dpkg.log "$@"; }
install_in_root --unpack packages/*.deb > log
install_in_root --configure --pending >> log  # refuses if a package that they depend on is not there
[ "$(dpkg-query --admindir=root/var/lib/dpkg -W -f '${db:Status-Status} ' libtapir-dev)" = "installed " ]

libdir=$(dirname "$(find root/usr/lib -name libtapir.so)")
PKG_CONFIG_PATH=$work/$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046
${CXX:-g++} -O2 "$here/embed/main.cpp" -o shared $(pkg-config --cflags --libs tapir)
LD_LIBRARY_PATH=$work/$libdir ./shared
cmake -S "$here/embed" -B cmake -G Ninja -DCMAKE_PREFIX_PATH="$work/root/usr" -Dtapir_USE_STATIC_LIBS=ON > cmake.log || { cat cmake.log; exit 1; }
ninja -C cmake > /dev/null
ldd cmake/embed | grep libtapir && { echo "the static program needs the library"; exit 1; }
cmake/embed

if [ -e "$libdir/libtapir_formats.so" ]; then
  mkdir formats
  cat > formats/main.cpp <<'END'
#include <tapir/formats.h>
int main() {
  tapir::formats::save_hdf5("one.h5", {{"one", tapir::Tensor(1.f)}});
  return tapir::formats::load_hdf5("one.h5", "one").item<float>() == 1 ? 0 : 1;
}
END
  cat > formats/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.18)
project(formats CXX)
find_package(tapir 0.1 REQUIRED COMPONENTS formats)
add_executable(main main.cpp)
target_link_libraries(main tapir::formats)
END
  # shellcheck disable=SC2046
  ${CXX:-g++} formats/main.cpp -o with_formats $(pkg-config --cflags --libs tapir_formats)
  LD_LIBRARY_PATH=$work/$libdir ./with_formats
  cmake -S formats -B formats/cmake -G Ninja -DCMAKE_PREFIX_PATH="$work/root/usr" > cmake.log || { cat cmake.log; exit 1; }
  ninja -C formats/cmake > /dev/null
  formats/cmake/main
fi

if [ -e "$libdir/libtapir_distributed.so" ]; then
  mkdir distributed
  cat > distributed/main.cpp <<'END'
#include <tapir/distributed.h>
#include <tapir/tapir.h>
int main() {
  tapir::distributed::World world;
  return world.all_reduce(tapir::ones({2})).to_vector<float>()[1] == world.size() ? 0 : 1;
}
END
  # shellcheck disable=SC2046
  ${CXX:-g++} distributed/main.cpp -std=c++20 -o with_distributed $(pkg-config --cflags --libs tapir_distributed)
  LD_LIBRARY_PATH=$work/$libdir ./with_distributed
fi

install_in_root --remove $(cd packages && ls libtapir*.deb | sed 's/_.*//') >> log
left=$(find root -path root/var -prune -o -type f -print)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
