#!/usr/bin/env python3
"""Writes linalg.npz: linear algebra and Fourier transforms by NumPy, read by test/ops/linalg_test.cpp and fft_test.cpp.

Never run by ./dev test. Any Python with NumPy: python3 test/golden/make_linalg.py
"""
from pathlib import Path

import numpy as np

rng = np.random.default_rng(20)
out = {}
for name, shape in {"square": (2, 5, 5), "tall": (6, 4), "wide": (2, 3, 5)}.items():
    x = out[f"{name}.x"] = rng.standard_normal(shape)
    out[f"{name}.s"] = np.linalg.svd(x, compute_uv=False)
    out[f"{name}.pinv"] = np.linalg.pinv(x)
    for ord in ("fro", "nuc", 2, -2, 1, -1, np.inf, -np.inf):
        out[f"{name}.norm {ord}"] = np.linalg.norm(x, ord, axis=(-2, -1))
a = out["square.x"]
b = out["square.b"] = rng.standard_normal((2, 5, 3))
spd = out["square.spd"] = a @ a.swapaxes(-1, -2) + np.eye(5)
out["square.cholesky"] = np.linalg.cholesky(spd)
out["square.eigvalsh"] = np.linalg.eigvalsh(spd)
out["square.solve"] = np.linalg.solve(a, b)
out["square.inv"] = np.linalg.inv(a)
out["square.det"] = np.linalg.det(a)
out["square.sign"], out["square.logabsdet"] = np.linalg.slogdet(a)
out["square.power 3"] = np.linalg.matrix_power(a, 3)
out["square.power -2"] = np.linalg.matrix_power(a, -2)
out["square.trace"] = np.trace(a, axis1=-2, axis2=-1)
out["tall.b"] = rng.standard_normal((6, 2))
out["tall.lstsq"] = np.linalg.lstsq(out["tall.x"], out["tall.b"], rcond=None)[0]


def pairs(z):
    return np.stack([z.real, z.imag], -1)


for n in (1, 2, 5, 8, 12, 13, 30):
    x = out[f"fft{n}.x"] = rng.standard_normal((3, n, 2))
    z = x[..., 0] + 1j * x[..., 1]
    for norm in ("backward", "ortho", "forward"):
        out[f"fft{n}.fft {norm}"] = pairs(np.fft.fft(z, norm=norm))
        out[f"fft{n}.ifft {norm}"] = pairs(np.fft.ifft(z, norm=norm))
    out[f"fft{n}.rfft"] = pairs(np.fft.rfft(z.real))
    out[f"fft{n}.irfft"] = np.fft.irfft(z, n)
    out[f"fft{n}.longer"] = pairs(np.fft.fft(z, n + 3))
    out[f"fft{n}.shorter"] = pairs(np.fft.fft(z, (n + 1) // 2))
    out[f"fft{n}.axis 0"] = pairs(np.fft.fft(z, axis=0))
    out[f"fft{n}.fftn"] = pairs(np.fft.fftn(z))
    out[f"fft{n}.ifftn"] = pairs(np.fft.ifftn(z))
    out[f"fft{n}.rfftn"] = pairs(np.fft.rfftn(z.real))
    out[f"fft{n}.fftfreq"] = np.fft.fftfreq(n, 0.5)
    out[f"fft{n}.rfftfreq"] = np.fft.rfftfreq(n, 0.5)
    out[f"fft{n}.shift"] = np.fft.fftshift(z.real)
    out[f"fft{n}.ishift"] = np.fft.ifftshift(z.real)
np.savez_compressed(Path(__file__).parent / "linalg.npz", **out)
