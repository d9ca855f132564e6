#!/bin/sh
# usage: debian.sh BUILD OUT: makes Debian packages in OUT of what BUILD installs: libtapir0.1, the shared library, and libtapir-dev,
# all the rest; where BUILD has them, libtapir0.1-cuda, the CUDA backend, and libtapir0.1-formats
# with libtapir-formats-dev. DPKG_DEB_OPTIONS may say how to compress them. Nothing is compiled for it: an installed tree works wherever it lies, so also in /usr.
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
formats=
if [ -e "libtapir-dev/usr/$libdir/libtapir_formats.so" ]; then
  formats=$runtime-formats
  mkdir -p "$formats/usr/$libdir" "$formats/DEBIAN" "libtapir-formats-dev/usr/$libdir/pkgconfig" libtapir-formats-dev/usr/include/tapir libtapir-formats-dev/DEBIAN
  mv "libtapir-dev/usr/$libdir"/libtapir_formats.so.* "$formats/usr/$libdir"
  mv "libtapir-dev/usr/$libdir/libtapir_formats.so" "libtapir-formats-dev/usr/$libdir"
  mv "libtapir-dev/usr/$libdir/pkgconfig/tapir_formats.pc" "libtapir-formats-dev/usr/$libdir/pkgconfig"
  mv libtapir-dev/usr/include/tapir/formats libtapir-dev/usr/include/tapir/formats.h libtapir-formats-dev/usr/include/tapir
  strip --strip-unneeded "$formats/usr/$libdir"/libtapir_formats.so.*.*.*
fi
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
if [ -n "$formats" ]; then
  echo "libtapir_formats ${soname#libtapir.so.} $formats (>= $version)" > "$formats/DEBIAN/shlibs"
  echo "activate-noawait ldconfig" > "$formats/DEBIAN/triggers"
  package "$formats" libs "$runtime (= $version), $(needs "$formats")" "" "tensors for C++ (files of other programs)"
  package libtapir-formats-dev libdevel "libtapir-dev (= $version), $formats (= $version)" "" "tensors for C++ (files of other programs, development)"
fi
archive="libfmt-dev, zlib1g-dev"  # what programs that link it need
if grep -q -- -ldnnl "$tree/$libdir/pkgconfig/tapir.pc"; then archive="$archive, libdnnl-dev"; fi
package libtapir-dev libdevel "$runtime (= $version)${also:+, $also}" "g++, $archive${formats:+, $formats}" "tensors for C++ (development files)"
