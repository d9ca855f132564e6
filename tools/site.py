#!/usr/bin/env python3
"""Makes a website of the documents: docs/, CONTRIBUTING.md, and the reference. It needs no server and no network.

  site.py FACTS OUT      FACTS as for reference.py; pages go to OUT/

The navigation is docs/index.md: its headings and lists. Needs Python-Markdown and Pygments (Debian: python3-markdown,
python3-pygments). Ends with 1 if a link leads nowhere.
"""
import html
import json
import re
import shutil
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import markdown
from pygments.formatters import HtmlFormatter

import links
import reference

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "docs/site"


def html_name(path):
    return path.stem.lower() + ".html"


def without_markers(text):
    """What the tests read in comments is not for readers; but what a program prints is marked as such."""
    out, code, prints = [], False, False
    for line in text.splitlines():
        if line.startswith("```"):
            if prints and not code:
                out.append('<div class="prints" markdown="1">\n')
            code = not code
            out.append(line)
            if prints and not code:
                out.append("\n</div>")
                prints = False
        elif not code and re.match(r"<!-- .* -->$", line):
            prints = line == "<!-- prints -->"
            out.append("")
        elif not code and re.match(r"(- |\d+\. )", line) and out and out[-1] and not re.match(r"(- |\d+\. |  )", out[-1]):
            out += ["", line]  # Markdown elsewhere lets a list start without an empty line
        else:
            out.append(line)
    return "\n".join(out)


def converted(page, text):
    """(title, body, table of contents) of a page."""
    maker = markdown.Markdown(extensions=["tables", "fenced_code", "codehilite", "toc", "sane_lists", "md_in_html"], output_format="html5",
                              extension_configs={"codehilite": {"guess_lang": False}, "toc": {"slugify": lambda value, _: links.slug(value), "toc_depth": "2-3"}})
    body = maker.convert(without_markers(text))
    body = re.sub(r"<code>(.*?)</code>", lambda m: m[0].replace(r"\|", "|"), body)
    body = body.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
    body = re.sub(r'href="(?!https?:|#)([^"#]*\.md)', lambda m: f'href="{html_name(Path(m[1]))}', body)
    body = re.sub(r'<(h[23]) id="(.*?)">(.*?)</\1>', r'<\1 id="\2"><a href="#\2">\3</a></\1>', body)
    title = re.search(r"^# (.*)", text, re.M)[1]
    return title, body, f"<h2>On this page</h2>{maker.toc}" if maker.toc_tokens else ""


def navigation(index, here):
    out = []
    for line in index.splitlines():
        if heading := re.match(r"## (.*)", line):
            out.append(f"<h2>{heading[1]}</h2><ul>")
        elif entry := re.match(r"- \[(.*?)\]\((.*?)\)", line):
            name = html_name(Path(entry[2]))
            out.append(f'<li><a href="{name}"{" class=here" if name == here else ""}>{html.escape(entry[1])}</a>')
        elif out and not line and out[-1].startswith("<li>"):
            out.append("</ul>")
    return "\n".join(out)


def sections(name, title, text):
    """[page, anchor, heading, words] of each section, for the search."""
    out = [[name, "", title, ""]]
    for line in text.splitlines():
        if heading := re.match(r"##+ (.*)", line):
            out.append([name, links.slug(heading[1]), heading[1].replace("`", ""), ""])
        else:
            out[-1][3] += " " + line.lower()
    return [[*section[:3], " ".join(dict.fromkeys(re.findall(r"[\w.:]+", section[3])))] for section in out]


class Anchors(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.ids, self.hrefs = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if tag == "a" and "href" in attrs:
            self.hrefs.add(attrs["href"])


def dead(written):
    parsed = {name: Anchors(text) for name, text in written.items()}
    for name, page in parsed.items():
        for href in sorted(page.hrefs):
            target, _, anchor = href.partition("#")
            if href.startswith(("http:", "https:")):
                continue
            if (target or name) not in parsed:
                yield f"{name}: there is no {target}"
            elif anchor and anchor not in parsed[target or name].ids:
                yield f"{name}: {target or name} has no #{anchor}"


def main(facts, out):
    with tempfile.TemporaryDirectory() as folder:
        failed = reference.main(facts, Path(folder))
        pages = {p: t for p, t in links.pages(Path(folder)).items() if p.parent == ROOT / "docs" or p.name == "CONTRIBUTING.md"}
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    template = (SITE / "template.html").read_text(encoding="utf-8")
    index, written, search = pages[ROOT / "docs/index.md"], {}, []
    for path, text in pages.items():
        name = html_name(path)
        title, body, toc = converted(path, text)
        fields = {"title": f"{html.escape(title)} - tapir" if title != "tapir" else title, "nav": navigation(index, name), "content": body, "toc": toc}
        written[name] = re.sub(r"\{(title|nav|content|toc)\}", lambda m: fields[m[1]], template)
        search += sections(name, title, text)
    for name, text in written.items():
        (out / name).write_text(text, encoding="utf-8")
    (out / "search_index.js").write_text(f"const SECTIONS = {json.dumps(search)};\n", encoding="utf-8")
    shutil.copy(SITE / "site.js", out)
    shutil.copytree(ROOT / "docs/images", out / "images")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".codehilite")
    light = HtmlFormatter(style="friendly").get_style_defs(".codehilite")
    own = (SITE / "style.css").read_text(encoding="utf-8")
    (out / "style.css").write_text(f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}", encoding="utf-8")
    found = list(dead(written))
    print(*found, f"{len(written)} pages, {len(search)} sections, {len(found)} dead links", sep="\n")
    return failed or bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
