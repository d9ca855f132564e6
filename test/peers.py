#!/usr/bin/env python3
"""Runs the first column of the tables of code in the documents, in the library that it is for, and holds what comes out
against the column `gives`; so a row is true on both sides. Installs the library as bench/peers/compare.py does.

  peers.py            all pages
  peers.py PAGE       one page, with the Python at hand
"""
import importlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from code_tables import halves, rows, same
from document import ROOT, blocks

PAGES = {"coming_from_numpy": "tensorflow", "coming_from_tensorflow": "tensorflow", "coming_from_pytorch": "pytorch"}


def run(code, scope):
    """Runs the statements of a cell; gives what the last one is, if it is an expression."""
    statements, value = halves(code)
    exec(statements.replace("; ", "\n"), scope)
    try:
        compiled = compile(value, "cell", "eval")
    except SyntaxError:
        exec(value, scope)
        return ""
    return str(eval(compiled, scope))


def unnamed(text):
    """Classes of the modules that the page promises to name all of, and does not."""
    for promise in re.findall(r"<!-- names all of (.*) -->", text):
        for module in promise.split():
            members = vars(importlib.import_module(module)).items()
            classes = [(name, value) for name, value in members if isinstance(value, type) and name[0].isupper()]
            for name, value in classes:
                if not any(re.search(rf"\b{other}\b", text) for other, v in classes if v is value):
                    yield f"{module}.{name}"


def main(page):
    scope, ran, wrong = {}, 0, []
    for line, language, marker, text in blocks(page):
        if language == "python" and not marker.startswith("file"):
            exec("\n".join(text), scope)
        for number, theirs, ours, gives in rows(line, text) if marker == "rows" else ():
            if not theirs or not ours or "..." in theirs:
                continue
            ran += 1
            try:
                result = run(theirs, scope)
            except Exception as error:  # whatever it is, the row is wrong
                result, gives = f"{type(error).__name__}: {error}", gives or "nothing wrong"
            if gives and not same(result, gives):
                wrong.append(f"{page.name}:{number}: {theirs}\n  gives {result}")
    wrong += [f"{page.name}: does not name {name}" for name in unnamed(page.read_text(encoding="utf-8"))]
    print(*wrong, f"{page.name}: {ran} rows ran, {len(wrong)} wrong", sep="\n")
    return bool(wrong) or not ran


def everything():
    sys.path.insert(0, str(ROOT / "bench/peers"))
    from compare import python_of
    failed = False
    for page, peer in PAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [python_of(peer), Path(__file__).resolve(), ROOT / "docs" / f"{page}.md"]
            failed |= subprocess.run(command, cwd=folder).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])) if len(sys.argv) > 1 else everything())
