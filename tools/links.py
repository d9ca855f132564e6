#!/usr/bin/env python3
"""Checks the links of all documents: files, headings, and the paths of sources that they name.

  links.py FACTS     FACTS as for reference.py, whose pages are checked too

Prints `file:line: what` for each link that leads nowhere. Links to the web are not followed.
"""
import re
import sys
import tempfile
from pathlib import Path

import reference

ROOT = Path(__file__).resolve().parent.parent
ROOMS = "tensor|ops|backends|autograd|graph|nn|data|io|look|formats|command|examples|test|bench|docs|tools"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(rf"`((?:{ROOMS})/[\w/.]+\.(?:h|cpp|md|py|sh))`")


def prose(text):
    """(number, line) of the lines that are no code."""
    code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            code = not code
        elif not code:
            yield number, line


def slug(heading):
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\(.*?\)", "", heading).strip().lower()).replace(" ", "-")


def anchors(text):
    return {slug(line.lstrip("#")) for _, line in prose(text) if re.match(r"#+ ", line)}


def pages(folder):
    """{path: text} of all documents; what reference.py wrote to `folder` counts as docs/."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "test/golden").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
    out = {path: path.read_text(encoding="utf-8") for path in found}
    out.update((ROOT / "docs" / path.name, path.read_text(encoding="utf-8")) for path in folder.glob("*.md"))
    return out


def broken(all_pages):
    for page, text in sorted(all_pages.items()):
        where = page.relative_to(ROOT)
        for number, line in prose(text):
            for target in LINK.findall(re.sub(r"(`+).*?\1", "", line)):
                if re.match(r"https?:|mailto:", target):
                    continue
                name, _, anchor = target.partition("#")
                path = (page.parent / name).resolve() if name else page
                if path not in all_pages and not path.exists():
                    yield f"{where}:{number}: there is no {name}"
                elif anchor and anchor not in anchors(all_pages.get(path, "")):
                    yield f"{where}:{number}: {path.name} has no heading #{anchor}"
            for path in PATH.findall(line):
                if not (ROOT / path).exists() and ROOT / path not in all_pages and "/name." not in path:
                    yield f"{where}:{number}: there is no {path}"
    named = {(ROOT / "docs" / t).resolve() for t in LINK.findall(all_pages[ROOT / "docs/index.md"])}
    for page in all_pages:
        if page.parent == ROOT / "docs" and page.name != "index.md" and page not in named:
            yield f"docs/index.md: does not name {page.name}"


def main(facts):
    with tempfile.TemporaryDirectory() as folder:
        reference.main(facts, Path(folder))
        all_pages = pages(Path(folder))
    found = list(broken(all_pages))
    print(*found, f"{len(all_pages)} documents, {len(found)} broken links", sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
