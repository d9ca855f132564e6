#!/usr/bin/env python3
"""What `ptxas -v` says of every CUDA kernel: registers, bytes of local memory (stack) and of spills, for sm_80 and sm_90.

    tools/kernel_registers.py write [FILE ...]    compiles (these files of backends/cuda, or all) and writes the report
    tools/kernel_registers.py check [FILE ...]    compiles, and fails where a kernel needs more than the report allows

No GPU is needed. The report is bench/cuda_registers.tsv: a line a kernel. A kernel may need up to 8 registers more than
it says, as the next compiler may; more local memory or spills it may not have.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "bench" / "cuda_registers.tsv"
ARCHS = ("sm_80", "sm_90")
SLACK = 8  # registers
FIELDS = ("registers", "local", "spilled")
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
NOISE = re.compile(r"tapir::|cuda::|vmath::fn::|cpu::gpu::|\(anonymous namespace\)::|^void ")


def sources():
    text = (ROOT / "backends" / "cuda" / "meson.build").read_text()
    return re.findall(r"'(\w+\.cpp)'", text[text.index("cuda_kernel_sources") : text.index(")")])


def without_parameters(name):
    depth = 0
    for i in range(len(name) - 1, -1, -1):
        depth += (name[i] == ")") - (name[i] == "(")
        if depth == 0:
            return name[:i] if name[i] == "(" else name
    return name


def short(names):
    out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return {n: without_parameters(NOISE.sub("", line)) for n, line in zip(names, out.splitlines())}


def compiled(name, arch, include, out):
    """{kernel: (registers, local, spilled)}"""
    command = ["nvcc", "-x", "cu", "-std=c++20", "-O3", "--expt-relaxed-constexpr", "-diag-suppress", "186,1835", "-cubin", f"-arch={arch}",
               "-Xptxas", "-v", "-I", include, str(ROOT / "backends" / "cuda" / name), "-o", f"{out}/x.cubin"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    found, entry, stack = {}, None, (0, 0, 0)
    for line in done.stderr.splitlines():
        if m := ENTRY.search(line):
            entry, stack = m.group(1), (0, 0, 0)
        elif m := STACK.search(line):
            stack = tuple(map(int, m.groups())) if entry else stack
        elif (m := USED.search(line)) and entry:
            found[entry] = (int(m.group(1)), stack[0], stack[1] + stack[2])
            entry = None
    if not found and ("launch(" in (ROOT / "backends" / "cuda" / name).read_text()):
        sys.exit(f"{name}: ptxas named no kernel")
    names = short(list(found))
    return {names[k]: v for k, v in found.items()}


def measure(files):
    """{(file, kernel): {arch: (registers, local, spilled)}}"""
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        include = Path(folder) / "include"
        include.mkdir()
        (include / "tapir").symlink_to(ROOT)
        for name in files:
            for arch in ARCHS:
                for kernel, figures in compiled(name, arch, include, folder).items():
                    out.setdefault((name, kernel), {})[arch] = figures
            print(f"{name}: {sum(f == name for f, _ in out)} kernels", flush=True)
    return out


def read():
    out = {}
    for line in REPORT.read_text().splitlines() if REPORT.exists() else ():
        if line.startswith("#"):
            continue
        file, kernel, *figures = line.split("\t")
        n = [int(x) if x != "-" else None for x in figures]
        out[file, kernel] = {a: tuple(n[3 * i : 3 * i + 3]) for i, a in enumerate(ARCHS) if n[3 * i] is not None}
    return out


def write(all_):
    heads = "\t".join(f"{arch} {field}" for arch in ARCHS for field in FIELDS)
    lines = [f"# file\tkernel\t{heads}   (ptxas -v; written by tools/kernel_registers.py)"]
    for (file, kernel), by_arch in sorted(all_.items()):
        figures = "\t".join(str(x) for arch in ARCHS for x in by_arch.get(arch, ("-",) * 3))
        lines.append(f"{file}\t{kernel}\t{figures}")
    REPORT.write_text("\n".join(lines) + "\n")


def findings(measured, allowed):
    for (file, kernel), by_arch in sorted(measured.items()):
        for arch, figures in by_arch.items():
            limit = allowed.get((file, kernel), {}).get(arch)
            if limit is None:
                yield f"{file}: {kernel}, {arch}: it is not in the report; `tools/kernel_registers.py write {file}` adds it"
                continue
            for field, has, most in zip(FIELDS, figures, (limit[0] + SLACK, *limit[1:])):
                if has > most:
                    yield f"{file}: {kernel}, {arch}: {has} {field}, {most} allowed"


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in ("write", "check"):
        sys.exit(__doc__)
    files = sys.argv[2:] or sources()
    measured, report = measure(files), read()
    if sys.argv[1] == "write":
        kept = {k: v for k, v in report.items() if k[0] not in files and k[0] in sources()}
        write(kept | measured)
        return 0
    found = list(findings(measured, report))
    print("\n".join([*found, f"{len(measured)} kernels, {len(found)} findings"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
