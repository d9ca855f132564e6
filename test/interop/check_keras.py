#!/usr/bin/env python3
"""usage: check_keras.py PROGRAM FOLDER [--fixtures]: real Keras saves models, PROGRAM (test/interop/keras_files.cpp) loads them, computes
and writes weights, which Keras loads again; all outputs within 1e-5. --fixtures: writes FOLDER/*.keras and what they compute, and no more."""
import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402
import keras  # noqa: E402
from keras_models import MODELS, filled, outputs  # noqa: E402

program, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
failed = 0


def check(what, got, wanted):
    global failed
    worst = max(float(np.abs(g - w).max() / max(1.0, np.abs(w).max())) for g, w in zip(got, wanted, strict=True))
    print(f"{what}: {'ok' if worst <= 1e-5 else 'WRONG'}, {worst:.1e} apart")
    failed += worst > 1e-5


for make in MODELS:
    model, inputs, wanted = filled(make)
    name = str(folder / make.__name__)
    model.save(name + ".keras")
    np.savez(name + ".npz", **{f"x{i}": x for i, x in enumerate(inputs)}, **{f"y{i}": y for i, y in enumerate(wanted)})
    if "--fixtures" in sys.argv:
        continue
    subprocess.run([program, name], check=True)
    with np.load(name + ".out.npz") as out:
        check(f"{make.__name__}: Keras's file read here", [out[f"y{i}"] for i in range(len(wanted))], wanted)
    again, _, _ = filled(make, seed=2)
    again.load_weights(name + ".ours.weights.h5")
    check(f"{make.__name__}: our weights read by Keras", outputs(again, inputs), wanted)
    loaded = keras.models.load_model(name + ".ours.keras")
    check(f"{make.__name__}: our model read by Keras", outputs(loaded, inputs), wanted)
sys.exit(1 if failed else 0)
