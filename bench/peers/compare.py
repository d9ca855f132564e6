#!/usr/bin/env python3
"""Runs bench/ and a peer in turns, on 2 threads, and prints the ratio of their median times (or of what a row measures);
below 1 tapir is better.

usage: compare.py BENCH_FOLDER pytorch|tensorflow [--rounds N] [--minimum] [--json] [ROWS]

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
PROGRAMS = ["small_ops", "cnn_step", "trace", "conv", "elementwise", "reduce", "networks"]
SCRIPTS = {"pytorch": ["pytorch_rows.py", "pytorch_networks.py"], "tensorflow": ["tensorflow_rows.py"]}


def python_of(peer):
    folder = pathlib.Path.home() / ".cache/tapir" / f"{peer}-venv"
    python = folder / "bin/python"
    if not python.exists():
        print(f"Installing {peer} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[peer]], check=True)
    return python


def rows_of(command, env, time):
    """Microseconds, or what a row measures."""
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    rows = json.loads(out.strip().splitlines()[-1])["rows"]
    return {row["name"]: row[time] * 1e6 if time in row else row["value"] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("peer", choices=PACKAGES)
    parser.add_argument("rows", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minimum", action="store_true", help="compare minima: where others use the machine too")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_intermixed_args()
    python = python_of(args.peer)
    env = {**os.environ, "OMP_NUM_THREADS": "2"}
    time, middle = ("minimum", min) if args.minimum else ("median", statistics.median)
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        for program in PROGRAMS:
            for name, t in rows_of([args.bench / program, "--json", args.rows], env, time).items():
                ours.setdefault(name, []).append(t)
        for script in SCRIPTS[args.peer]:
            for name, t in rows_of([python, HERE / script, args.rows], env, time).items():
                theirs.setdefault(name, []).append(t)
    both = [(n, middle(ours[n]), middle(theirs[n])) for n in ours if n in theirs]
    if args.json:
        print(json.dumps([{"name": n, "tapir": a, args.peer: b, "ratio": a / b} for n, a, b in both]))
        return
    print(f"{time + ' of ' + str(args.rounds) + ' runs, microseconds (memory: MB)':<52} {'tapir':>12} {args.peer:>12} {'ratio':>8}")
    for name, a, b in both:
        print(f"{name:<52} {a:12.2f} {b:12.2f} {a / b:8.3f}")


if __name__ == "__main__":
    main()
