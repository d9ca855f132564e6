#!/usr/bin/env python3
"""Runs bench/ and a peer in turns, on 2 threads, and prints the ratio of their median times; below 1 tapir is faster.

usage: compare.py BENCH_FOLDER pytorch|tensorflow [--rounds N] [--json] [ROWS]

The peer is installed from PyPI into ~/.cache/tapir/<peer>-venv the first time. ROWS: only rows whose name contains it."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PACKAGES = {"pytorch": ["torch", "numpy"], "tensorflow": ["tensorflow"]}
PROGRAMS = ["small_ops", "cnn_step", "trace", "conv", "elementwise", "reduce"]


def python_of(peer):
    folder = pathlib.Path.home() / ".cache/tapir" / f"{peer}-venv"
    python = folder / "bin/python"
    if not python.exists():
        print(f"Installing {peer} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[peer]], check=True)
    return python


def rows_of(command, env):
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    return {row["name"]: row["median"] for row in json.loads(out.strip().splitlines()[-1])["rows"] if "median" in row}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("peer", choices=PACKAGES)
    parser.add_argument("rows", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    python = python_of(args.peer)
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        for program in PROGRAMS:
            for name, t in rows_of([args.bench / program, "--json", args.rows], env).items():
                ours.setdefault(name, []).append(t)
        for name, t in rows_of([python, HERE / f"{args.peer}_rows.py", args.rows], env).items():
            theirs.setdefault(name, []).append(t)
    both = [(n, statistics.median(ours[n]), statistics.median(theirs[n])) for n in ours if n in theirs]
    if args.json:
        print(json.dumps([{"name": n, "tapir": a, args.peer: b, "ratio": a / b} for n, a, b in both]))
        return
    print(f"{'median of ' + str(args.rounds) + ' runs, microseconds':<52} {'tapir':>12} {args.peer:>12} {'ratio':>8}")
    for name, a, b in both:
        print(f"{name:<52} {a * 1e6:12.2f} {b * 1e6:12.2f} {a / b:8.3f}")


if __name__ == "__main__":
    main()
