# `meson test` points LD_LIBRARY_PATH at the build, which would win over what the programs under test name.
unset LD_LIBRARY_PATH

# moved_install BUILD WORK: installs BUILD into WORK and moves the tree elsewhere; sets $prefix and $libdir to where it is then.
moved_install() {
  rm -rf "$2"
  mkdir -p "$2"
  flock "$1" meson install -C "$1" --no-rebuild --quiet --destdir "$2/first"
  prefix=$2/moved
  mv "$(find "$2/first" -path '*/include/tapir/tapir.h' | sed 's|/include/tapir/tapir.h$||')" "$prefix"
  rm -r "$2/first"
  libdir=$(find "$prefix" -name libtapir.so -printf '%h')
}
