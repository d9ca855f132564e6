#!/usr/bin/env python3
"""Opens pages and drawings in a real headless browser (Debian's chromium through playwright, ./dev interop): wide and
narrow, light and dark. Checks that nothing runs or is fetched, that the page does not scroll sideways, that texts stay in
their boxes and apart from each other, and keeps a picture of each for people to look at.

    check_pages.py SCREENSHOTS PAGE...
"""
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

VIEWS = [("wide", 1280, 900, "light"), ("wide-dark", 1280, 900, "dark"), ("narrow", 360, 740, "light")]

# What is wrong with a page, as texts.
LOOK = r"""() => {
  const wrong = [], root = document.documentElement;
  if (root.scrollWidth > innerWidth && root.tagName === 'html')
    wrong.push(`the page is ${root.scrollWidth} wide in a window of ${innerWidth}`);
  for (const drawing of document.querySelectorAll('.drawing')) {
    for (const g of drawing.querySelectorAll('g:has(> .box)')) {
      const box = g.querySelector('.box').getBBox();
      for (const t of g.querySelectorAll('text')) {
        const b = t.getBBox();
        if (b.x < box.x || b.x + b.width > box.x + box.width || b.y < box.y || b.y + b.height > box.y + box.height)
          wrong.push(`"${t.textContent}" leaves its box`);
      }
    }
  }
  const apart = (all, what) => {
    const boxes = [...all].map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width > 0);
    for (let i = 0; i < boxes.length; ++i)
      for (let k = 0; k < i; ++k) {
        if (boxes[i][0].contains(boxes[k][0]) || boxes[k][0].contains(boxes[i][0])) continue;
        const a = boxes[i][1], b = boxes[k][1];
        if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
          wrong.push(`${what}: "${boxes[i][0].textContent}" lies on "${boxes[k][0].textContent}"`);
      }
  };
  for (const chart of document.querySelectorAll('.chart')) {
    apart(chart.querySelectorAll('.mark'), 'chart');
    apart(chart.querySelectorAll('figcaption > *'), 'caption');
    const frame = chart.querySelector('svg').getBoundingClientRect();
    for (const t of chart.querySelectorAll('.mark')) {
      const r = t.getBoundingClientRect();
      if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.bottom > frame.bottom + 1)
        wrong.push(`"${t.textContent}" leaves its chart`);
    }
  }
  apart(document.querySelectorAll('h1, h2, p, .facts > div, .wide, .pictures figure, .chart'), 'page');
  const paper = getComputedStyle(document.querySelector('.tp')).backgroundColor;
  const ink = getComputedStyle(document.querySelector('h1, .head')).fill + getComputedStyle(document.querySelector('h1, .head')).color;
  return {wrong, paper, ink};
}"""


def luminance(colour):
    return sum(int(v) for v in colour[colour.index("(") + 1:-1].split(",")[:3]) / 3


def main():
    shots = Path(sys.argv[1])
    shots.mkdir(parents=True, exist_ok=True)
    failed = seen = 0
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for path in map(Path, sys.argv[2:]):
            for view, width, height, scheme in VIEWS:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                problems, address = [], path.resolve().as_uri()
                page.on("dialog", lambda d: (problems.append(f"a script ran: {d.message}"), d.dismiss()))
                page.on("console", lambda m: problems.append(f"console: {m.text}"))
                page.on("pageerror", lambda e: problems.append(f"error: {e}"))
                page.on("request", lambda r: r.url == address or r.url.startswith("data:") or problems.append(f"fetches {r.url}"))
                page.goto(address)
                found = page.evaluate(LOOK)
                problems += found["wrong"]
                if (luminance(found["paper"]) < 90) != (scheme == "dark"):
                    problems.append(f"{scheme}, but the paper is {found['paper']}")
                page.screenshot(path=shots / f"{path.stem}-{view}.png", full_page=path.suffix == ".html")
                page.close()
                seen += 1
                failed += bool(problems)
                for text in problems[:10]:
                    print(f"{path.name}, {view}: {text}")
        browser.close()
    print(f"{seen} views of {len(sys.argv) - 2} pages, {failed} with problems; pictures in {shots}")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
