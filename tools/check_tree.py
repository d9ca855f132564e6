#!/usr/bin/env python3
"""Holds the rules of the house that no compiler knows: the line budget and which room may include which.

Arrows point down only: tensor <- ops <- {backends, autograd, graph} <- io <- {nn, data} <- {look, formats, distributed} <- {examples, command}. Nobody but a
backend includes a backend, except that ops that are no rows may walk memory with the helpers below. test/ and bench/
may include anything. Prints `file:line: what` for each finding.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOOR = {"tensor": 0, "ops": 1, "backends": 2, "autograd": 2, "graph": 2, "io": 3, "nn": 4, "data": 4, "look": 5, "formats": 5, "distributed": 5, "examples": 6, "command": 6}
HELPERS = {f"tapir/backends/cpu/{name}.h" for name in ("copy", "parallel", "strided")}
MAX_LINES, MAX_COLUMNS = 800, 120
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def wrong_include(room, quote, path):
    """Why a file of `room` must not have this include, or None."""
    if quote == '"':
        return f'includes "{path}": spell it <tapir/...>'
    if room not in FLOOR or not path.startswith("tapir/"):
        return None
    target = path.split("/")[1]
    if target == "tapir.h":
        return None if room in ("examples", "command") else "includes the umbrella header: name what it needs"
    if target not in FLOOR:
        return None
    if room == "ops" and path in HELPERS:
        return None
    if target == "backends" and room != "backends":
        return f"{room}/ includes <{path}>: only backends/ may"
    if FLOOR[target] > FLOOR[room]:
        return f"{room}/ includes <{path}>: {target}/ is above it"
    return None


def findings(path):
    room = path.relative_to(ROOT).parts[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        yield len(lines), f"{len(lines)} lines; the budget is {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS:
            yield number, f"{len(line)} columns; the limit is {MAX_COLUMNS}"
        include = INCLUDE.match(line)
        why = include and wrong_include(room, *include.groups())
        if why:
            yield number, why


def main():
    found = files = 0
    for path in sorted(p for end in ("h", "cpp", "cu", "cuh") for p in ROOT.rglob(f"*.{end}")):
        first = path.relative_to(ROOT).parts[0]
        if first.startswith((".", "build")) or "acceptance" in path.parts:  # given, not written here
            continue
        files += 1
        for number, what in findings(path):
            print(f"{path.relative_to(ROOT)}:{number}: {what}")
            found += 1
    print(f"{files} files, {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
