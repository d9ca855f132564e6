#!/usr/bin/env python3
"""Holds the documents to what they say.

  document.py program PAGE OUT.cpp       makes one program of the page's ```cpp blocks
  document.py check PAGE PROGRAM FOLDER  runs it in FOLDER, and compares what the page shows with what is

Each block is a scope of its own, and all of it runs; a block that has `main` may define types and functions too. A line
before a block may say more:
  <!-- continues -->    the block goes on in the scope of the one before
  <!-- prints about NUMBERS -->  the block below prints these and no others, to within 1e-4
  <!-- prints -->       this text is what the block before prints; `...` stands for anything within a line
  <!-- from FILE -->    these lines stand in FILE, in this order; `...` stands for anything, also for lines. FILE is one that
                        the program wrote to FOLDER (TAPIR_DUMP=dump), the program's output (stdout), or one of the tree;
                        a ```cpp block of this kind is no program of its own
  <!-- from A to B -->  `-` lines of the block stand in A and not in B, `+` lines in B and not in A, others in both
  <!-- errors -->       the first column of this table is texts of errors that the library's sources hold
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def blocks(page):
    """(line of the first text line, language, marker, text) of each block; tables count as blocks of language `table`."""
    lines, marker, at = page.read_text(encoding="utf-8").splitlines(), "", 0
    while at < len(lines):
        line = lines[at]
        if fence := re.match(r"```(\S*)$", line):
            end = lines.index("```", at + 1)
            yield at + 2, fence[1], marker, lines[at + 1:end]
            marker, at = "", end
        elif line.startswith("|") and marker:
            end = next((i for i in range(at, len(lines)) if not lines[i].startswith("|")), len(lines))
            yield at + 1, "table", marker, lines[at + 2:end]
            marker, at = "", end - 1
        elif comment := re.match(r"<!-- (.*) -->$", line):
            marker = comment[1]
        elif line:
            marker = ""
        at += 1


def program(page):
    includes, body, calls = {"#include <tapir/tapir.h>", "#include <iostream>"}, [], []
    for line, language, marker, text in blocks(page):
        if language != "cpp" or marker.startswith("from"):
            continue
        includes.update(t for t in text if t.startswith("#include"))
        text = [t if not t.startswith(("#include", "using namespace")) else "" for t in text]
        says = f'std::cout << "\\n@ {line}\\n" << std::flush;'
        if marker == "continues":
            end = body.pop()
            body += [says, f'#line {line} "{page.name}"', *text, end]
        elif any(t.startswith("int main()") for t in text):
            text = [t.replace("int main()", "void run()") for t in text]
            body += [f"namespace block_{line} {{ using namespace tapir;", f'#line {line} "{page.name}"', *text, "}"]
            calls += ["  " + says, f"  block_{line}::run();"]
        else:
            body += [f"static void block_{line}() {{ using namespace tapir;", says, f'#line {line} "{page.name}"', *text, "}"]
            calls.append(f"  block_{line}();")
    return "\n".join([*sorted(includes), *body, "int main() {", *calls, "}", ""])


def pattern(text):
    return r".*?".join(re.escape(part) for part in text.split("..."))


def stands(text, whole, comments):
    """Lines of `text` follow each other in `whole`, after a line `...` anywhere further down. Comments may differ, if there are any."""
    bare = [re.sub(r"\s+//.*", "", t).strip() if comments else t.strip() for t in [*text, *whole.splitlines()]]
    lines, at, run = bare[len(text):], 0, []
    for t in [*bare[:len(text)], "..."]:
        if t != "...":
            run.append(pattern(t))
            continue
        while not all(at + i < len(lines) and re.fullmatch(r, lines[at + i]) for i, r in enumerate(run)):
            at += 1
            if at >= len(lines):
                return False
        at, run = at + len(run), []
    return True


def literals():
    """The strings of the library's sources, pieces put together, `{}` for what is put in."""
    for room in ("tensor", "ops", "autograd", "graph", "io"):
        for source in [*(ROOT / room).glob("*.h"), *(ROOT / room).glob("*.cpp")]:
            for found in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', source.read_text(encoding="utf-8")):
                yield re.sub(r'"\s*"', "", found[0])[1:-1].replace('\\"', '"')


def check(page, executable, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run([executable], cwd=folder, env={**os.environ, "TAPIR_DUMP": "dump"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}{page.name}: its program ended with {done.returncode}")
    printed = {int(n): text.rstrip("\n") for n, text in re.findall(r"^@ (\d+)\n(.*?)(?=^@ \d+$|\Z)", done.stdout, re.M | re.S)}
    (folder / "stdout").write_text(done.stdout, encoding="utf-8")

    def read(name):
        return next(p for p in (folder / "dump" / name, folder / name, ROOT / name) if p.is_file()).read_text(encoding="utf-8")

    checked = wrong = last = 0
    known = None
    for line, language, marker, text in blocks(page):
        if language == "cpp" and not marker.startswith("from"):
            last = line
            if marker.startswith("prints about"):
                checked += 1
                numbers = [float(n) for n in re.findall(r"(?<![\w.])-?\d+\.?\d*", printed[line])]
                wanted = [float(n) for n in marker.split()[2:]]
                if len(numbers) != len(wanted) or any(abs(a - b) > 1e-4 for a, b in zip(numbers, wanted)):
                    wrong += 1
                    print(f"{page.name}:{line}: it prints\n{printed[line]}")
            continue
        said = "\n".join(text).rstrip()
        problems = []
        if marker == "prints":
            if not re.fullmatch(pattern(said).replace(r"\n", "\n"), printed[last].strip("\n")):
                problems = [f"it prints\n{printed[last]}"]
        elif sides := re.fullmatch(r"from (\S+) to (\S+)", marker):
            before, after = (read(s) for s in sides.groups())
            for t in text:
                found = [bool(re.search("^ *" + pattern(t[1:].strip()) + "$", x, re.M)) for x in (before, after)]
                if t.strip() and found != {"-": [True, False], "+": [False, True]}.get(t[0], [True, True]):
                    problems.append(f"{t}\n  stands in {sides[1]}: {found[0]}, in {sides[2]}: {found[1]}")
        elif marker.startswith("from "):
            if not stands(text, read(marker[5:]), language == "cpp"):
                problems = [f"{marker[5:]} has it otherwise:\n{read(marker[5:])}"]
        elif marker == "errors":
            known = known or list(literals())
            for t in text:
                for error in re.findall(r"``(.*?)``", t.split("|")[1]):
                    pieces = [p.strip() for p in re.sub(r"^\w+: ", "", error).split("...")]  # without the name of the operation
                    if not all(any(p in k for k in known) for p in pieces):
                        problems.append(f"no source has the error: {error}")
        else:
            continue
        checked += 1
        for p in problems:
            wrong += 1
            print(f"{page.name}:{line}: {p}\n")
    print(f"{page.name}: {len(printed)} programs ran, {checked} texts compared, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    command, page = sys.argv[1], Path(sys.argv[2])
    if command == "program":
        Path(sys.argv[3]).write_text(program(page), encoding="utf-8")
    else:
        check(page, Path(sys.argv[3]).resolve(), Path(sys.argv[4]))
