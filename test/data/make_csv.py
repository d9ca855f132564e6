#!/usr/bin/env python3
"""Writes fixtures/table.csv, in which pandas has put what its own reader finds hard, and fixtures/table.npz: what that reader makes of it.

    python3 -m venv /tmp/pandas && /tmp/pandas/bin/pip install pandas==2.3.3
    /tmp/pandas/bin/python test/data/make_csv.py
"""
import csv
from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parent / "fixtures"
ROWS = 60
TEXTS = ["plain", "with, comma", 'a "quoted" word', "two\nlines", "dos\r\nline", "", "ümlaut", " spaces ", '"', "7 seas"]


def main():
    rng = np.random.default_rng(1)
    floats = rng.normal(size=ROWS) * 10.0 ** rng.integers(-300, 300, ROWS)
    gaps = np.where(rng.random(ROWS) < 0.2, np.nan, rng.normal(size=ROWS))
    table = pd.DataFrame({
        "floats": floats,
        "gaps": gaps,
        "integers": rng.integers(-2**62, 2**62, ROWS),
        "bools": rng.random(ROWS) < 0.5,
        "a text, quoted": rng.choice(TEXTS, ROWS),
        "numbers as words": rng.choice(["1", "2", "x"], ROWS),
        "nothing": np.full(ROWS, np.nan),
    })
    path = FOLDER / "table.csv"
    table.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\r\n")
    read = pd.read_csv(path, float_precision="round_trip")
    out = {}
    for name in read:
        column = read[name]
        if column.dtype == object:
            column = column.astype("category")
            out[name + ".texts"] = np.frombuffer("\x1f".join(column.cat.categories).encode(), np.uint8)
            column = column.cat.codes.astype("int64")
        out[name] = column.to_numpy()
    np.savez_compressed(FOLDER / "table.npz", **out)


main()
