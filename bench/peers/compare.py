#!/usr/bin/env python3
"""Runs bench/ and a peer in turns, on 2 threads, and prints the ratio of their median times (or of what a row measures);
below 1 tapir is better.

usage: compare.py BENCH_FOLDER pytorch|tensorflow|onnxruntime|openvino [--sweep] [--rounds N] [--threads N] [--minimum] [--json] [ROWS]

--sweep: the convolutions that conv_sweep draws, by the least times of all rounds, with geometric means and the worst rows;
there a ratio above 1 is better. On a machine that others use, compare on one thread: a peer's OpenMP threads wait for
each other.

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
ONNX = ["torch", "onnx", "onnxruntime", "openvino"]  # torch exports the networks
PACKAGES = {"pytorch": ["torch", "numpy"], "tensorflow": ["tensorflow"], "onnxruntime": ONNX, "openvino": ONNX}
FOLDERS = {"onnxruntime": "onnx", "openvino": "onnx"}  # one environment for both
PROGRAMS = ["small_ops", "cnn_step", "trace", "conv", "elementwise", "reduce", "networks", "fit"]
SCRIPTS = {"pytorch": ["pytorch_rows.py", "pytorch_networks.py"], "tensorflow": ["tensorflow_rows.py"],
           "onnxruntime": ["onnx_networks.py"], "openvino": ["onnx_networks.py"]}


def python_of(peer):
    folder = pathlib.Path.home() / ".cache/tapir" / f"{FOLDERS.get(peer, peer)}-venv"
    python = folder / "bin/python"
    if not python.exists():
        print(f"Installing {peer} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES[peer]], check=True)
    return python


def rows_of(command, env, time, notes=None):
    """Microseconds, or what a row measures; what rows say beside goes into `notes`."""
    out = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    rows = json.loads(out.strip().splitlines()[-1])["rows"]
    if notes is not None:
        notes.update((row["name"], row.get("note", "")) for row in rows)
    return {row["name"]: row[time] * 1e6 if time in row else row["value"] for row in rows}


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
            command = [args.bench / "conv_sweep", "--json", word]
            for name, t in rows_of(command, env, "minimum", notes).items():
                ours[name] = min(t, ours.get(name, t))
            for name, t in rows_of([python, HERE / f"{args.peer}_rows.py", word], env, "minimum").items():
                theirs[name] = min(t, theirs.get(name, t))
    both = [(n, ours[n], theirs[n], theirs[n] / ours[n], notes[n]) for n in ours if n in theirs]
    if args.json:
        print(json.dumps([{"name": n, "tapir": a, args.peer: b, "ratio": r, "algorithm": how} for n, a, b, r, how in both]))
        return
    print(f"{'least of ' + str(args.rounds) + ' runs, microseconds':<84} {'tapir':>9} {args.peer:>9} {'ratio':>6}")
    for n, a, b, r, how in both:
        print(f"{n[6:]:<84} {a:9.1f} {b:9.1f} {r:6.2f}  {how}")
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
    parser.add_argument("--minimum", action="store_true", help="compare minima: where others use the machine too")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_intermixed_args()
    python = python_of(args.peer)
    env = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "TAPIR_PEER": args.peer}
    if args.sweep:
        return sweep(args, python, env)
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
