#!/usr/bin/env python3
"""Runs the tests of a build folder through `meson test` and counts what really ran.

    tools/run_tests.py [--timeout-multiplier N] BUILD [NAME]     only tests whose name contains NAME

A doctest program counts with each of its cases, anything else (acceptance programs, shell tests) as one. The last
line is `N passed, N failed, N skipped`; the exit status is 0 only if something passed and nothing failed.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

SUMMARY = re.compile(r"\[doctest\] test cases: *(\d+) *\| *(\d+) passed *\| *(\d+) failed *\| *(\d+) skipped")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def count(entry):
    """(passed, failed, skipped) of one line of testlog.json."""
    if entry["result"] == "SKIP":
        return 0, 0, 1
    good = entry["result"] in ("OK", "EXPECTEDFAIL")
    rows = SUMMARY.findall(COLOUR.sub("", entry.get("stdout") or ""))
    if not rows or entry["result"] == "EXPECTEDFAIL":
        return int(good), int(not good), 0
    passed, failed, skipped = (sum(int(row[i]) for row in rows) for i in (1, 2, 3))
    if not good and not failed:
        failed = 1  # every case passed, and yet it crashed, leaked or ran out of time
    return passed, failed, skipped


def run(build, names, options):
    """Runs the named tests; returns meson's exit status and the entries of its log."""
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)
    command = ["meson", "test", "-C", str(build), "--no-rebuild", "--print-errorlogs", *options, *names]
    status = subprocess.run(command).returncode
    if not log.exists():
        return status, []
    return status, [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=Path)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--timeout-multiplier", default="1")
    args = parser.parse_args()

    listed = subprocess.run(["meson", "introspect", "--tests", str(args.build)], check=True, capture_output=True)
    tests = [t["name"] for t in json.loads(listed.stdout)]
    wanted = [name for name in tests if args.name in name]
    if not wanted:
        print(f"No test has '{args.name}' in its name. There are: {', '.join(sorted(tests)) or 'none'}.")
        print("0 passed, 0 failed, 0 skipped")
        return 1

    names = sorted(set(wanted)) if args.name else []
    status, entries = run(args.build, names, ["--timeout-multiplier", args.timeout_multiplier])
    counts = [count(e) for e in entries]
    passed, failed, skipped = (sum(c[i] for c in counts) for i in (0, 1, 2))
    failed += max(0, len(wanted) - len(entries))  # listed, but meson never got to it
    if status != 0 and failed == 0:
        failed = 1
    for entry, (_, bad, _) in zip(entries, counts):
        if bad:
            print(f"failed: {entry['name']} ({entry['result'].lower()})")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
