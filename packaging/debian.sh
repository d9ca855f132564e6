#!/bin/sh
# usage: debian.sh BUILD OUT: makes Debian packages in OUT of what BUILD installs: libtapir0.1, the shared library, and libtapir-dev,
# all the rest; where BUILD has them, libtapir0.1-cuda, the CUDA backend, libtapir0.1-formats and libtapir0.1-distributed
# with libtapir-formats-dev and libtapir-distributed-dev. DPKG_DEB_OPTIONS may say how to compress them. Nothing is compiled for it: an installed tree works wherever it lies, so also in /usr.
set -e
build=$(readlink -f "$1")
mkdir -p "$2"
out=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
asked() { meson introspect --"$1" "$build" | python3 -c "import json, sys; j = json.load(sys.stdin); print($2)"; }
option() { asked buildoptions "next(o['value'] for o in j if o['name'] == '$1')"; }
version=$(asked projectinfo "j['version']")
libdir=$(option libdir)
architecture=$(dpkg --print-architecture)

# ---- what goes where

meson install -C "$build" --no-rebuild --quiet --destdir "$work/installed"
tree=$work/installed$(option prefix)
soname=$(objdump -p "$tree/$libdir/libtapir.so" | sed -n 's/ *SONAME *//p')
runtime=libtapir${soname#libtapir.so.}
mkdir -p "$work/debian/$runtime/usr/$libdir" "$work/debian/libtapir-dev/usr"
cp -a "$tree/." "$work/debian/libtapir-dev/usr"
cd "$work/debian"
mv "libtapir-dev/usr/$libdir"/libtapir.so.* "$runtime/usr/$libdir"
cuda=
if [ -e "libtapir-dev/usr/$libdir/libtapir_cuda.so" ]; then
  cuda=$runtime-cuda
  mkdir -p "$cuda/usr/$libdir" "$cuda/DEBIAN"
  mv "libtapir-dev/usr/$libdir/libtapir_cuda.so" "$cuda/usr/$libdir"
  strip --strip-unneeded "$cuda/usr/$libdir/libtapir_cuda.so"
fi
parts=  # libraries beside the first one that have packages of their own
for part in formats distributed; do
  [ -e "libtapir-dev/usr/$libdir/libtapir_$part.so" ] || continue
  parts="$parts $part"
  mkdir -p "$runtime-$part/usr/$libdir" "$runtime-$part/DEBIAN" "libtapir-$part-dev/usr/$libdir/pkgconfig" "libtapir-$part-dev/usr/include/tapir" "libtapir-$part-dev/DEBIAN"
  mv "libtapir-dev/usr/$libdir/libtapir_$part".so.* "$runtime-$part/usr/$libdir"
  mv "libtapir-dev/usr/$libdir/libtapir_$part.so" "libtapir-$part-dev/usr/$libdir"
  mv "libtapir-dev/usr/$libdir/pkgconfig/tapir_$part.pc" "libtapir-$part-dev/usr/$libdir/pkgconfig"
  mv "libtapir-dev/usr/include/tapir/$part" "libtapir-dev/usr/include/tapir/$part.h" "libtapir-$part-dev/usr/include/tapir"
  strip --strip-unneeded "$runtime-$part/usr/$libdir/libtapir_$part".so.*.*.*
done
rm -r libtapir-dev/usr/share/doc
strip --strip-unneeded "$runtime/usr/$libdir"/libtapir.so.*.*.*
strip --strip-debug "libtapir-dev/usr/$libdir/libtapir.a"
if [ -d libtapir-dev/usr/bin ]; then strip --strip-unneeded libtapir-dev/usr/bin/tapir; fi
if [ -d libtapir-dev/usr/share/man ]; then find libtapir-dev/usr/share/man -type f -exec gzip -9n {} +; fi

# ---- what they say about themselves

echo "Source: tapir" > control
mkdir "$runtime/DEBIAN" libtapir-dev/DEBIAN
echo "libtapir ${soname#libtapir.so.} $runtime (>= $version)" > "$runtime/DEBIAN/shlibs"
echo "activate-noawait ldconfig" > "$runtime/DEBIAN/triggers"

needs() {  # the packages with the libraries that files of package $1 are linked to
  find "$1" -type f \( -name 'libtapir*.so.*' -o -path '*/bin/tapir' \) -printf '-edebian/%p\n' |
    (cd .. && xargs -r dpkg-shlibdeps -O -x"$runtime" -l"debian/$runtime/usr/$libdir") | sed -n 's/^shlibs:Depends=//p'
}

# control PACKAGE SECTION DEPENDS RECOMMENDS DESCRIPTION
package() {
  install -Dm644 "$tree/share/doc/tapir/LICENSE" "$1/usr/share/doc/$1/copyright"
  size=$(du -sk --exclude=DEBIAN "$1" | cut -f1)
  {
    echo "Package: $1"
    echo "Source: tapir"
    echo "Version: $version"
    echo "Architecture: $architecture"
    echo "Maintainer: ${DEBFULLNAME:-tapir} <${DEBEMAIL:-tapir@localhost}>"
    echo "Installed-Size: $size"
    echo "Section: $2"
    echo "Priority: optional"
    [ -z "$3" ] || echo "Depends: $3"
    [ -z "$4" ] || echo "Recommends: $4"
    echo "Description: $5"
    echo " tapir gives C++ tensors that run at once, remember how they were made, and can be"
    echo " compiled: automatic differentiation, traced functions and neural networks."
  } > "$1/DEBIAN/control"
  (cd "$1" && find usr -type f -exec md5sum {} + > DEBIAN/md5sums)
  # shellcheck disable=SC2086
  dpkg-deb $DPKG_DEB_OPTIONS --root-owner-group --build "$1" "$out" > /dev/null
  echo "$out/$1_${version}_$architecture.deb"
}
package "$runtime" libs "$(needs "$runtime")" "" "tensors for C++ (shared library)"
[ -z "$cuda" ] || package "$cuda" libs "$runtime (= $version)" "" "tensors for C++ (CUDA backend)"
also=$(needs libtapir-dev)
for part in $parts; do
  case $part in
    formats) what="files of other programs" ;;
    distributed) what="training by several processes" ;;
  esac
  echo "libtapir_$part ${soname#libtapir.so.} $runtime-$part (>= $version)" > "$runtime-$part/DEBIAN/shlibs"
  echo "activate-noawait ldconfig" > "$runtime-$part/DEBIAN/triggers"
  package "$runtime-$part" libs "$runtime (= $version), $(needs "$runtime-$part")" "" "tensors for C++ ($what)"
  package "libtapir-$part-dev" libdevel "libtapir-dev (= $version), $runtime-$part (= $version)" "" "tensors for C++ ($what, development)"
done
archive="libfmt-dev, zlib1g-dev"  # what programs that link it need
if grep -q -- -ldnnl "$tree/$libdir/pkgconfig/tapir.pc"; then archive="$archive, libdnnl-dev"; fi
package libtapir-dev libdevel "$runtime (= $version)${also:+, $also}" "g++, $archive${formats:+, $formats}" "tensors for C++ (development files)"
