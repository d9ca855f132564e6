#!/usr/bin/env python3
"""Makes test/formats/fixtures/images: pictures as Pillow writes them, and values.npz: what Pillow reads in them.

    python3 -m venv /tmp/pillow && /tmp/pillow/bin/pip install pillow numpy
    /tmp/pillow/bin/python test/formats/make_images.py
"""
from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).resolve().parent / "fixtures" / "images"
OUT.mkdir(exist_ok=True)
rng = np.random.default_rng(5)
H, W = 9, 13
y, x = np.mgrid[:H, :W]
smooth = np.stack([x * 19, y * 28, 255 - x * 10 - y * 14], -1).astype(np.uint8)
noise = rng.integers(0, 256, (H, W, 4), np.uint8)
values = {}


def keep(name, image, mode=None, **options):
    path = OUT / name
    image.save(path, **options)
    read = Image.open(path)
    values[name] = np.asarray(read.convert(mode) if mode else read)


keep("grey.png", Image.fromarray(noise[..., 0]))
keep("grey_alpha.png", Image.fromarray(noise[..., :2].copy(), "LA"))
keep("rgb.png", Image.fromarray(noise[..., :3].copy()))
keep("rgba.png", Image.fromarray(noise))
keep("bits.png", Image.fromarray(noise[..., 0]).convert("1"), "L")
deep = rng.integers(0, 65536, (H, W), np.uint16)
Image.fromarray(deep).save(OUT / "deep.png")
values["deep.png"] = (np.asarray(Image.open(OUT / "deep.png")) >> 8).astype(np.uint8)
palette = Image.fromarray(noise[..., :3].copy()).quantize(16)
keep("palette.png", palette, "RGB", bits=4)
keep("palette_alpha.png", palette, "RGBA", transparency=bytes(range(0, 256, 16)))
for name in ("rgb.png", "rgba.png"):
    values[name + ".grey"] = np.asarray(Image.open(OUT / name).convert("L"))

keep("rgb.jpg", Image.fromarray(smooth), quality=90)  # 4:2:0
keep("sharp.jpg", Image.fromarray(noise[..., :3].copy()), quality=95, subsampling=0)
keep("grey.jpg", Image.fromarray(noise[..., 0]), quality=80)
keep("progressive.jpg", Image.fromarray(smooth), quality=90, progressive=True)
luma = Image.open(OUT / "rgb.jpg")
luma.draft("L", luma.size)
values["rgb.jpg.grey"] = np.asarray(luma)
# Adobe's inverted CMYK, as Pillow writes and reads it: light is ink times black
keep("cmyk.jpg", Image.fromarray(noise, "CMYK"), quality=95)
ink = 255 - values["cmyk.jpg"].astype(int)
values["cmyk.jpg"] = (ink[..., :3] * ink[..., 3:] // 255).astype(np.uint8)
np.savez_compressed(OUT / "values.npz", **values)
