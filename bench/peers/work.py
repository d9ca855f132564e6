"""What the peers' scripts share: timing as bench/bench.h does it, the list of convolutions, JSON out."""
import json
import os
import sys
import time

CONVS = [  # name, batch, size, channels, kernel, stride, filters, groups, padding before and after, dilation
    ("8x64x56 -> 64, 3x3", 8, 56, 64, 3, 1, 64, 1, 1, 1),
    ("8x128x28 -> 128, 3x3", 8, 28, 128, 3, 1, 128, 1, 1, 1),
    ("8x256x14 -> 256, 3x3", 8, 14, 256, 3, 1, 256, 1, 1, 1),
    ("8x512x7 -> 512, 3x3", 8, 7, 512, 3, 1, 512, 1, 1, 1),
    ("4x64x112 -> 128, 3x3", 4, 112, 64, 3, 1, 128, 1, 1, 1),
    ("8x3x224 -> 64, 7x7 stride 2", 8, 224, 3, 7, 2, 64, 1, 3, 1),
    ("8x256x56 -> 64, 1x1", 8, 56, 256, 1, 1, 64, 1, 0, 1),
    ("128x1x28 -> 32, 3x3 (digits)", 128, 28, 1, 3, 1, 32, 1, 0, 1),
    ("8x96x56 depthwise 3x3", 8, 56, 96, 3, 1, 96, 96, 1, 1),
]
if "TAPIR_SWEEP" in os.environ:  # what `conv_sweep --shapes` printed
    with open(os.environ["TAPIR_SWEEP"]) as file:
        CONVS += [(s["name"], s["n"], s["size"], s["channels"], s["kernel"], s["stride"], s["filters"], s["groups"],
                   s["pad"], s["dilation"]) for s in json.load(file)]


# As bench::now().
now = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter


class Rows:
    """Times what is asked for: row(name, f) runs f if the name contains the word on the command line."""

    def __init__(self):
        self.word = sys.argv[1] if len(sys.argv) > 1 else ""
        self.rows = []

    def wants(self, name):
        return self.word in name

    def row(self, name, f, seconds=0.4):
        if not self.wants(name):
            return
        if name.startswith("sweep "):
            seconds = 0.1
        start, warm = now(), 0
        while warm < 3 or (now() - start < 0.05 and warm < 100000):
            f()
            warm += 1
        inner = max(1, int(2e-4 / max((now() - start) / warm, 1e-9)))
        samples, start = [], now()
        while len(samples) < 5 or (now() - start < seconds and len(samples) < 2000):
            t = now()
            for _ in range(inner):
                f()
            samples.append((now() - t) / inner)
        samples.sort()
        self.rows.append({"name": name, "median": samples[len(samples) // 2], "minimum": samples[0]})

    def best(self, name, ways):
        """The fastest of several ways to do the same."""
        tries = Rows()
        tries.word = name
        for f in ways:
            tries.row(name, f)
        self.rows.append(min(tries.rows, key=lambda row: row["median"]))

    def figure(self, name, value, unit):
        self.rows.append({"name": name, "value": value, "unit": unit})

    def done(self):
        print(json.dumps({"rows": self.rows}))
