"""The ONNX files that onnx_models wrote, before ONNX Runtime: valid, and the results within 1e-5 of tapir's."""
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def arrays(path, kind):
    files = sorted(path.parent.glob(f"{path.stem}.{kind}_*.npy"))
    return [np.load(f) for f in files]


failed = 0
models = sorted(Path(sys.argv[1]).glob("*.onnx"))
for path in models:
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    inputs = {i.name: a for i, a in zip(session.get_inputs(), arrays(path, "input"), strict=True)}
    worst = 0.0
    for got, want in zip(session.run(None, inputs), arrays(path, "output"), strict=True):
        assert got.shape == want.shape and got.dtype == want.dtype, (path, got.shape, want.shape, got.dtype, want.dtype)
        assert np.any(want), f"{path}: all results are 0, which shows nothing"
        worst = max(worst, float(np.max(np.abs(got - want)) / np.max(np.abs(want))))
    good = worst <= 1e-5
    failed += not good
    print(f"{'ok    ' if good else 'FAILED'} {path.stem}: largest difference, relative to the largest value, to ONNX Runtime {onnxruntime.__version__} {worst:.2g}")
if failed or not models:
    sys.exit(f"{failed} of {len(models)} models differ")
