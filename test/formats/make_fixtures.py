#!/usr/bin/env python3
"""Makes the files in test/formats/fixtures: HDF5 as h5py writes it. Needs h5py and NumPy; run once, the files are committed."""
from pathlib import Path

import h5py
import numpy as np

OUT = Path(__file__).resolve().parent / "fixtures"
count = np.arange(6).reshape(2, 3)

with h5py.File(OUT / "types.h5", "w") as f:
    for name in ("f4", "f8", "f2", "i1", "u1", "i2", "i4", "i8", "u2", "u4", ">f4", ">i2"):
        f["little/" + name if name[0] != ">" else "big/" + name[1:]] = count.astype(name)
    f["bool"] = count % 2 == 1
    f["scalar"] = np.float32(2.5)
    f["none"] = np.zeros((0, 3), np.float32)
    f["text"] = "not a tensor"
    f.create_dataset("packed", data=np.arange(5000, dtype=np.int32), chunks=(512,), compression="gzip", shuffle=True, fletcher32=True)

with h5py.File(OUT / "external.h5", "w") as f:
    f.create_dataset("stolen", (4,), np.uint8, external=[("/etc/hostname", 0, 4)])
with h5py.File(OUT / "link.h5", "w") as f:
    f["there"] = h5py.ExternalLink("types.h5", "scalar")
with h5py.File(OUT / "claims.h5", "w") as f:
    f.create_dataset("huge", (1 << 40,), np.float32, chunks=(1024,))
with h5py.File(OUT / "cycle.h5", "w") as f:
    g = f.create_group("a")
    g["b"] = f["/"]
