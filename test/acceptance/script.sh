#!/bin/sh
# usage: script.sh BUILD: script.cpp by an installed `tapir` that was moved, as a user runs it: cold, unchanged, by its first line.
set -e
build=$1
here=$(dirname "$(readlink -f "$0")")
. "$here/moved_install.sh"
work=$build/acceptance/script
moved_install "$build" "$work"
[ -x "$prefix/bin/tapir" ] || { echo "this build has no command"; exit 77; }
export PATH="$prefix/bin:$PATH" XDG_CACHE_HOME="$work/cache"
unset CXX
cd "$work"

tapir info --json > info.json
python3 - "$prefix" <<'END'
import json, os, sys
info = json.load(open("info.json"))
for key in ("headers", "library", "command"):
    path = os.path.realpath(info[key])
    assert path.startswith(os.path.realpath(sys.argv[1]) + "/") and os.path.exists(path), (key, path)
END

run() { /usr/bin/env python3 - "$@" <<'END'
import subprocess, sys, time
begin = time.time()
done = subprocess.run(sys.argv[2:], capture_output=True, text=True)
print(f"{sys.argv[1]}: {time.time() - begin:.3f} s")
last = "gradient tensor([1.       , 1.2408829, 1.4174242, 1.4466331, 1.2533807], dtype=f32)"
assert done.returncode == 0 and done.stdout.splitlines()[-1] == last and not done.stderr, (done.stdout, done.stderr)
END
}
cp "$here/script.cpp" .
run "the first script of all" tapir run script.cpp
echo "// changed" >> script.cpp
run "cold" tapir run script.cpp
run "unchanged" tapir run script.cpp
chmod +x script.cpp
run "by its first line" ./script.cpp
ldd "$(find cache/tapir/programs -type f -perm -u+x | head -1)" | grep libtapir | grep -q "$(readlink -f "$libdir")" || {
  echo "the script does not use the library beside the command"
  exit 1
}
