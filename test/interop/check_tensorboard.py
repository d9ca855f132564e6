#!/usr/bin/env python3
"""Shows event files of ours to the real TensorBoard, which must be installed beside this Python (./dev interop).

    check_tensorboard.py PROGRAM FOLDER SCREENSHOTS     PROGRAM is build/test/tensorboard_events

Three ways: its own reader of event files (EventAccumulator); its server, asked over HTTP as the page in a browser does,
once with its fast loader and once without; and the page itself in a headless browser, with pictures for people to look
at.
"""
import json
import math
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import zlib
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.graph_pb2 import GraphDef

from playwright.sync_api import sync_playwright

done = []


def check(ok, what):
    if not ok:
        sys.exit(f"failed: {what}")
    done.append(what)


def pixels(png, height, width, channels):
    """The bytes of a PNG without interlacing whose rows have the filters none, sub and up."""
    at, packed = 8, b""
    while at < len(png):
        size = int.from_bytes(png[at:at + 4], "big")
        if png[at + 4:at + 8] == b"IDAT":
            packed += png[at + 8:at + 8 + size]
        at += 12 + size
    raw, row, out = zlib.decompress(packed), width * channels, []
    for y in range(height):
        line = raw[y * (row + 1):(y + 1) * (row + 1)]
        for i in range(row):
            left = out[y * row + i - channels] if i >= channels else 0
            up = out[(y - 1) * row + i] if y else 0
            out.append((line[1 + i] + (0, left, up)[line[0]]) % 256)
    return out


def by_reader(folder):
    train, validation = (EventAccumulator(str(folder / run), size_guidance={"histograms": 0}) for run in ("train", "validation"))
    for run in (train, validation):
        run.Reload()
    tags = train.Tags()
    check(sorted(tags["scalars"]) == ["epoch/accuracy", "epoch/loss"], "scalars are listed")
    check(set(tags["histograms"]) == {"weights/kernel", "weights/zeros", "weights/nothing"}, "histograms are listed")
    check(set(tags["images"]) == {"pictures/ramp", "pictures/alpha", *(f"pictures/colours/{i}" for i in range(3))},
          "images are listed")
    check(tags["graph"] and tags["tensors"] == ["notes"], "graph and text are listed")

    for run, factor, rate in ((train, 2, 0.2), (validation, 2.1, 0.15)):
        loss = run.Scalars("epoch/loss")
        check([e.step for e in loss] == list(range(20)), "steps")
        check(all(abs(e.value - factor * math.exp(-rate * e.step)) < 1e-6 for e in loss), "values")
        check(all(abs(e.wall_time - time.time()) < 3600 for e in loss), "times")
    h = train.Histograms("weights/kernel")[10].histogram_value
    check(h.num == 1000 and abs(h.sum / h.num - 1) < 0.2 and sum(h.bucket) == 1000 and len(h.bucket) == 30, "a histogram")
    check(h.bucket_limit[-1] == h.max and h.min < h.bucket_limit[0], "its buckets")

    image = train.Images("pictures/ramp")[0]
    check((image.height, image.width, image.step) == (32, 32, 3), "the size of an image")
    wanted = [int(i / 1023 * 255 + 0.5) for i in range(1024)]
    got = pixels(image.encoded_image_string, 32, 32, 1)
    check(max(abs(a - b) for a, b in zip(got, wanted)) <= 1, "the pixels of a ramp")
    for i in range(3):
        picture = train.Images(f"pictures/colours/{i}")[0]
        check(pixels(picture.encoded_image_string, 8, 12, 3) == [255 if c == i else 0 for _ in range(96) for c in range(3)],
              "the pixels of a colour")

    graph = GraphDef()
    graph.ParseFromString(train.Graph().SerializeToString())
    nodes = {n.name: n for n in graph.node}
    check(len(nodes) == len(graph.node), "nodes have names of their own")
    for n in graph.node:
        check(all(re.sub(r":\d+$", "", i) in nodes for i in n.input), "inputs are nodes")
        check(re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.\\/-]*", n.name), "names are TensorFlow's")
    ops = [n.op for n in graph.node]
    check({"conv", "matmul", "conv_kernel_gradient", "Variable", "Placeholder", "Assign"} <= set(ops), "operations")
    conv = next(n for n in graph.node if n.op == "conv")
    shape = [d.size for d in conv.attr["_output_shapes"].list.shape[0].dim]
    check(shape == [8, 10, 10, 4] and conv.attr["line"].s.startswith(b"tensorboard_events.cpp:"), "attributes")


def by_server(folder, options):
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", "0", "--host", "localhost", *options],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stderr:
            if found := re.search(r"http://localhost:(\d+)/", line):
                break
        else:
            sys.exit("failed: the server did not start")
        base = f"http://localhost:{found[1]}/data/"

        def get(path, **query):
            with urllib.request.urlopen(base + path + ("?" + urllib.parse.urlencode(query) if query else ""), timeout=20) as r:
                return r.read()

        def ask(path, **query):
            return json.loads(get(path, **query))

        for _ in range(100):  # it loads in the background
            if (ask("plugin/scalars/tags").keys() == {"train", "validation"}
                    and len(ask("plugin/histograms/tags").get("train", {})) == 3 and ask("plugin/graphs/info")):
                break
            time.sleep(0.2)
        check(sorted(ask("runs")) == ["train", "validation"], "the server lists both runs")
        check(ask("plugin/scalars/tags")["train"].keys() == {"epoch/loss", "epoch/accuracy"}, "and the scalars")
        points = ask("plugin/scalars/scalars", run="validation", tag="epoch/loss")
        check(len(points) == 20 and abs(points[7][2] - 2.1 * math.exp(-0.15 * 7)) < 1e-6, "with their values")
        images = ask("plugin/images/tags")["train"]
        check(images.keys() >= {"pictures/ramp", "pictures/colours/2"}, "and the images")
        about = ask("plugin/images/images", run="train", tag="pictures/ramp", sample=0)
        picture = get("plugin/images/individualImage?" + about[0]["query"])
        check(about[0]["step"] == 3 and pixels(picture, 32, 32, 1)[-1] == 255, "which it hands out")
        histograms = ask("plugin/histograms/histograms", run="train", tag="weights/kernel")
        check(len(histograms) > 0 and abs(sum(b[2] for b in histograms[-1][2]) - 1000) < 1e-6, "and the histograms")
        for tag in ("weights/zeros", "weights/nothing"):
            check(len(ask("plugin/histograms/histograms", run="train", tag=tag)) == 1, f"also {tag}")
        check("tapir" in get("plugin/text/text", run="train", tag="notes").decode(), "and the text")
        check("<script>" not in get("plugin/text/text", run="train", tag="notes").decode(), "which is no markup")
        run, about = next(iter(ask("plugin/graphs/info").items()))
        check(run == "train" and about["run_graph"], "and the graph")
        graph = get("plugin/graphs/graph", run="train").decode()
        check('op: "conv"' in graph and 'op: "Variable"' in graph, "which it draws")
        return base.removesuffix("data/"), server
    except BaseException:
        server.kill()
        raise


def by_page(base, shots):
    shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        for tab, text in (("scalars", "epoch/loss"), ("images", "pictures/ramp"), ("histograms", "weights/kernel"),
                          ("graphs", "argument_0")):
            page.goto(f"{base}#{tab}")
            page.get_by_text(text).first.wait_for(state="attached", timeout=60000)
            check(True, f"the page shows {tab}")
            page.wait_for_timeout(2500)  # for what moves
            page.screenshot(path=shots / f"tensorboard-{tab}.png")
        browser.close()


def main():
    program, folder, shots = Path(sys.argv[1]).resolve(), Path(sys.argv[2]), Path(sys.argv[3])
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([program, folder], check=True)
    by_reader(folder)
    by_server(folder, ["--load_fast=false"])[1].kill()
    base, server = by_server(folder, [])
    try:
        by_page(base, shots)
    finally:
        server.kill()
    print(f"TensorBoard read it all: {len(done)} checks")


if __name__ == "__main__":
    main()
