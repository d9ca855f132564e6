#!/usr/bin/env python3
"""Writes a C++ file with the text that fused CUDA kernels are made of, as NVRTC reads it: headers of the library in an
order in which each finds what it needs, without their includes.

    tools/functor_texts.py SOURCE_ROOT OUT.cpp
"""
import re
import sys
from pathlib import Path

HEADERS = """tensor/host_device.h tensor/dtype.h tensor/cast_one.h ops/saves.h ops/functors/scalar_math.h backends/cpu/lane.h
backends/cuda/number.h ops/functors/functor.h ops/functors/arithmetic.h ops/functors/activation.h ops/functors/math.h
ops/functors/compare.h backends/cuda/fused_args.h""".split()
LEFT_OUT = re.compile(r"^#(include|pragma once|define TAPIR_ISA).*\n|^\s*//.*\n", re.M)
CHUNK = 12000  # bytes of one literal


def text_of(path):
    return LEFT_OUT.sub("", path.read_text(encoding="utf-8"))


def literal(text):
    pieces = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)]
    return "\n".join(f'R"TAPIR({piece})TAPIR"' for piece in pieces)


def main():
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    cuda = root / "backends" / "cuda"
    start = "#define TAPIR_ISA gpu\n" + text_of(cuda / "nvrtc_prelude.h") + "".join(text_of(root / h) for h in HEADERS)
    out.write_text(
        "// Made by tools/functor_texts.py.\n#include <tapir/backends/cuda/tile_text.h>\n\nnamespace tapir::cuda {\n\n"
        f"const char* const functor_texts =\n{literal(start)};\nconst char* const fused_kernel_text =\n"
        f"{literal(text_of(cuda / 'fused_kernel.h'))};\n\n}}  // namespace tapir::cuda\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
