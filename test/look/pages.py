#!/usr/bin/env python3
"""Runs the program that writes pages, and checks them: well-formed as XML and as HTML, complete, without scripts and
without anything to fetch, hostile names as text, numbers where they should be.

    pages.py PROGRAM FOLDER
"""
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

HOSTILE = "<script>alert('x')</script> & \"quotes\" \ufffd ünï 日本"
VOID = {"meta", "br", "img", "link", "hr", "input"}


class Balanced(HTMLParser):
    """Every element is closed where it should be."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.problems, self.tags, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.text.append(data)


def check(ok, what):
    if not ok:
        sys.exit(f"failed: {what}")


def read(path):
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>"))  # throws unless it is XML
    page = Balanced()
    page.feed(text)
    page.close()
    check(not page.problems and not page.open, f"{path.name}: {page.problems} {page.open}")
    check(not any(tag == "script" for tag, _ in page.tags), f"{path.name}: has a script")
    for tag, attributes in page.tags:
        check(not any(name.startswith("on") for name in attributes), f"{path.name}: {tag} has a handler")
        for name in ("src", "href", "xlink:href"):
            check(attributes.get(name, "data:").startswith("data:image/png;base64,") or name not in attributes,
                  f"{path.name}: {tag} fetches {attributes.get(name)}")
    check("url(" not in text and "@import" not in text, f"{path.name}: a style fetches something")
    check(not re.search(r'[" (](nan|inf)[" ,)]', text), f"{path.name}: draws to NaN")
    return page


def main():
    program, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    subprocess.run([program, folder], check=True)

    pages = {name: read(folder / name) for name in ("report.html", "model.svg", "across.svg", "nested.html", "large.html")}
    report = pages["report.html"]
    said = "".join(report.text)
    titles = [t for t in report.text if t.strip() == "Report " + HOSTILE]
    check(len(titles) == 2, "the title stands in the head and above the page")
    check(said.count(HOSTILE) >= 8, f"hostile names are text, {said.count(HOSTILE)} times")
    for name in ("model.svg", "across.svg", "nested.html"):
        check(HOSTILE[:20] in "".join(pages[name].text), f"{name}: the layer with a hostile name")
    tags = [tag for tag, _ in report.tags]
    check(tags.count("img") == 6, "six pictures")
    check(sum(a.get("class") == "chart" for _, a in report.tags) == 4, "four charts")
    check("val_loss, epoch 24" in said and "val_loss, epoch 12" not in said, "points, but for the one that is NaN")
    matrix = re.findall(r"(\S+) taken for (\S+): (\d+)", " ".join(a.get("title", "") for _, a in report.tags))
    check(sum(int(n) for _, _, n in matrix) > 2000, "the counts of the matrix")
    check("conv" in said and "of roof" in said, "the profile's table")
    check(tags.count("svg") == 5, "four charts and a drawing")

    boxes = [a for tag, a in pages["large.html"].tags if tag == "rect" and a.get("class") == "box"]
    check(len(boxes) == 200, "two hundred boxes")
    events = json.loads((folder / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    check(any(e.get("name") == HOSTILE for e in events), "the trace's scope")
    print(f"{len(pages)} pages and drawings, a trace of {len(events)} events")


if __name__ == "__main__":
    main()
