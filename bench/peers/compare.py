#!/usr/bin/env python3
"""Runs bench/ and a peer in turns, on as many threads (2), and prints the ratio of their median times; below 1 tapir is faster.

usage: compare.py BENCH_FOLDER pytorch|tensorflow [--sweep] [--rounds N] [--threads N] [--json] [ROWS]

--sweep: the convolutions that conv_sweep draws, by the least times of all rounds, with geometric means and the worst rows.
On a machine that others use, compare on one thread: a peer's OpenMP threads wait for each other.

The peer is installed from PyPI into ~/.cache/tapir/<peer>-venv the first time. ROWS: only rows whose name contains it."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

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


def rows_of(command, env, which="median"):
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    rows = json.loads(out.strip().splitlines()[-1])["rows"]
    return {row["name"]: (row[which], row.get("note", "")) for row in rows if which in row}


def mean(ratios):
    return statistics.geometric_mean(ratios)


def sweep(args, python, env):
    """The peer's time over ours for each row "sweep KIND: SHAPE, DIRECTION"; above 1 tapir is faster."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(subprocess.run([args.bench / "conv_sweep", "--shapes"], check=True, capture_output=True, text=True).stdout)
        file.flush()
        env = {**env, "TAPIR_SWEEP": file.name}
        word = args.rows or "sweep "
        ours, theirs, notes = {}, {}, {}
        for _ in range(args.rounds):
            for name, (t, note) in rows_of([args.bench / "conv_sweep", "--json", word], env, "minimum").items():
                ours[name], notes[name] = min(t, ours.get(name, t)), note
            for name, (t, _) in rows_of([python, HERE / f"{args.peer}_rows.py", word], env, "minimum").items():
                theirs[name] = min(t, theirs.get(name, t))
    both = [(n, ours[n], theirs[n], theirs[n] / ours[n], notes[n]) for n in ours if n in theirs]
    if args.json:
        print(json.dumps([{"name": n, "tapir": a, args.peer: b, "ratio": r, "algorithm": how} for n, a, b, r, how in both]))
        return
    print(f"{'least of ' + str(args.rounds) + ' runs, microseconds':<84} {'tapir':>9} {args.peer:>9} {'ratio':>6}")
    for n, a, b, r, how in both:
        print(f"{n[6:]:<84} {a * 1e6:9.1f} {b * 1e6:9.1f} {r:6.2f}  {how}")
    groups = {}
    for n, _, _, r, _ in both:
        kind, direction = n[6:].split(":")[0], n.rsplit(", ", 1)[1]
        for key in ((kind, direction), ("all", direction)):
            groups.setdefault(key, []).append(r)
    print(f"\n{args.peer} / tapir, geometric mean (least)")
    for kind in dict.fromkeys(k for k, _ in groups):
        cells = [f"{d} {mean(v):.2f} ({min(v):.2f})" for (k, d), v in groups.items() if k == kind]
        print(f"{kind:<22} {len(groups[kind, 'forward']):>3} shapes: " + ", ".join(cells))
    slow = sorted((row for row in both if row[3] < 0.97), key=lambda row: row[3])
    print(f"\n{len(slow)} of {len(both)} rows below 0.97")
    for n, _, _, r, how in slow:
        print(f"  {r:.2f}  {n[6:]} ({how})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", type=pathlib.Path)
    parser.add_argument("peer", choices=PACKAGES)
    parser.add_argument("rows", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    args = parser.parse_args()
    python = python_of(args.peer)
    env = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    if args.sweep:
        return sweep(args, python, env)
    ours, theirs = {}, {}
    for _ in range(args.rounds):
        for program in PROGRAMS:
            for name, (t, _) in rows_of([args.bench / program, "--json", args.rows], env).items():
                ours.setdefault(name, []).append(t)
        for name, (t, _) in rows_of([python, HERE / f"{args.peer}_rows.py", args.rows], env).items():
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
