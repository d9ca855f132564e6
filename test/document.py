#!/usr/bin/env python3
"""Holds the documents to what they say.

  document.py program PAGE OUT.cpp       makes one program of the page's ```cpp blocks
  document.py check PAGE PROGRAM FOLDER  runs it in FOLDER, and compares what the page shows with what is

Each block is a scope of its own, and all of it runs; a block that has `main` may define types and functions too. A line
before a block may say more:
  <!-- continues -->    the block goes on in the scope of the one before
  <!-- defines -->      the block is types and functions for all that follows
  <!-- throws -->       the block ends with an error, which is printed
  <!-- file NAME -->    the block is no part of the program, but a file of FOLDER
  <!-- runs -->         these shell commands are run in FOLDER, once the program has ended
  <!-- prints about NUMBERS -->  the block below prints these and no others, to within 1e-4
  <!-- prints -->       this text is what the block before prints; `...` stands for anything within a line
  <!-- rows -->         a table with a column `tapir` of code, which is compiled and run, row by row, in the scope of the
                        ```cpp block before; what the last expression gives is held against the numbers, words and dtypes
                        in the column `gives`. A cell that starts with a word is prose. The first column is the same in Python, after the ```python blocks before:
                        peers.py runs that
  <!-- missing -->      the first column of this table names what the public headers do not have
  <!-- variables -->    the first column of this table names what the library reads from the environment, all of it
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

from code_tables import halves, rows, same, there_after_all

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from reference import public_headers  # noqa: E402
ROOMS = ("tensor", "ops", "autograd", "graph", "io", "data", "nn", "look")


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
            yield at + 1, "table", marker, lines[at:end]
            marker, at = "", end - 1
        elif comment := re.match(r"<!-- (.*) -->$", line):
            marker = comment[1]
        elif line:
            marker = ""
        at += 1


# ---- the program of a page

SHOW = """
#pragma GCC diagnostic ignored "-Wunused-result"
#pragma GCC diagnostic ignored "-Wunused-value"
#pragma GCC diagnostic ignored "-Wunused-variable"
struct Nothing {};
template <class T> T&& operator,(T&& x, Nothing) { return static_cast<T&&>(x); }
inline void show(Nothing) {}
template <class T> void show(const T& x) {
  if constexpr (requires { std::cout << x; }) std::cout << std::boolalpha << x << " ";
  else if constexpr (requires { show(x.first), show(x.second); }) show(x.first), show(x.second);
  else for (auto& item : x) show(item);
}
"""


def program(page):
    includes, body, calls, shown = {"#include <tapir/tapir.h>", "#include <iostream>"}, [], [], False

    def says(line):
        return f'std::cout << "\\n@ {line}\\n" << std::flush;'

    for line, language, marker, text in blocks(page):
        if marker == "rows":
            end = body.pop()
            for number, _, ours, _ in rows(line, text):
                if ours:
                    statements, value = halves(ours)
                    shown = True
                    body += [f'#line {number} "{page.name}"', f"{{ {says(number)} {statements}"
                             + (f" show((({value}), Nothing()));" if value else "") + " }"]
            body.append(end)
        if language != "cpp" or marker.startswith(("from", "file")):
            continue
        includes.update(t for t in text if t.startswith("#include"))
        text = [t if not t.startswith("#include") and t != "using namespace tapir;" else "" for t in text]
        text = [f'#line {line} "{page.name}"', *text]
        if marker == "defines":
            body += text
            continue
        if marker.endswith("throws"):
            text = ["try {", *text, "} catch (const Error& e) { std::cout << e.what() << std::endl; }"]
        if marker.startswith("continues"):
            end = body.pop()
            body += [says(line), *text, end]
        elif any(t.startswith("int main()") for t in text):
            text = [t.replace("int main()", "void run()") for t in text]
            body += [f"namespace block_{line} {{ using namespace tapir;", *text, "}"]
            calls += ["  " + says(line), f"  block_{line}::run();"]
        else:
            body += [f"static void block_{line}() {{ using namespace tapir;", says(line), *text, "}"]
            calls.append(f"  block_{line}();")
    return "\n".join([*sorted(includes), *([SHOW] if shown else []), "namespace page { using namespace tapir;", *body, "}",
                      "int main() {", "  using namespace page;", *calls, "}", ""])


# ---- what it shows

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
    for room in ROOMS:
        for source in [*(ROOT / room).glob("*.h"), *(ROOT / room).glob("*.cpp")]:
            for found in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', source.read_text(encoding="utf-8")):
                yield re.sub(r'"\s*"', "", found[0])[1:-1].replace('\\"', '"')


def shell(page, text, folder):
    """What shell commands of the page print. The library is that of this build, or the one that TAPIR_INSTALLED says is there."""
    build = next(p for p in folder.resolve().parents if (p / "meson-uninstalled").is_dir())
    path = {"PKG_CONFIG_PATH": f"{build}/meson-uninstalled", "CPLUS_INCLUDE_PATH": f"{build}/include", "LIBRARY_PATH": str(build),
            "LD_LIBRARY_PATH": str(build), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
    if "TAPIR_INSTALLED" in os.environ:
        path = {}
    done = subprocess.run(["sh", "-e", "-c", "\n".join(text)], cwd=folder, env={**os.environ, **path}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}{page.name}: its commands ended with {done.returncode}")
    return done.stdout


def check(page, executable, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "examples").symlink_to(ROOT / "examples")
    for _, _, marker, text in blocks(page):
        if marker.startswith("file "):
            (folder / marker[5:]).write_text("\n".join(text) + "\n", encoding="utf-8")
    done = subprocess.run([executable], cwd=folder, env={**os.environ, "TAPIR_DUMP": "dump"}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}{page.name}: its program ended with {done.returncode}")
    printed = {int(n): re.sub(r" +$", "", text.rstrip("\n"), flags=re.M) for n, text in re.findall(r"^@ (\d+)\n(.*?)(?=^@ \d+$|\Z)", done.stdout, re.M | re.S)}
    (folder / "stdout").write_text(done.stdout, encoding="utf-8")

    def read(name):
        return next(p for p in (folder / "dump" / name, folder / name, ROOT / name) if p.is_file()).read_text(encoding="utf-8")

    checked = wrong = last = 0
    known = None
    for line, language, marker, text in blocks(page):
        problems = []
        if language == "cpp" and not marker.startswith(("from", "file", "defines")):
            last = line
            if not marker.startswith("prints about"):
                continue
            numbers = [float(n) for n in re.findall(r"(?<![\w.])-?\d+\.?\d*", printed[line])]
            wanted = [float(n) for n in marker.split()[2:]]
            if len(numbers) != len(wanted) or any(abs(a - b) > 1e-4 for a, b in zip(numbers, wanted)):
                problems = [f"it prints\n{printed[line]}"]
        elif marker == "runs":
            last = line
            printed[line] = shell(page, text, folder)
            continue
        elif marker == "prints":
            said = "\n".join(text).rstrip()
            if not re.fullmatch(pattern(said).replace(r"\n", "\n"), printed[last].strip("\n")):
                problems = [f"it prints\n{printed[last]}"]
        elif marker == "rows":
            for number, _, ours, gives in rows(line, text):
                if ours and gives:
                    checked += 1
                    if not same(printed[number], gives):
                        problems.append(f"row {number}: {ours}\n  gives {printed[number]}")
            checked -= 1
        elif marker == "missing":
            headers = "\n".join((ROOT / h).read_text(encoding="utf-8") for h in public_headers())
            problems = [f"there it is: {name}" for name in there_after_all(text, headers)]
        elif marker == "variables":
            read_by_library = set(re.findall(r'"(TAPIR_[A-Z_]+)"', "".join(
                s.read_text(encoding="utf-8") for room in (*ROOMS, "look", "command", "backends/cpu", "backends/cuda") for s in (ROOT / room).glob("*.cpp"))))
            named = {t.split("`")[1] for t in text[2:]}
            problems = [f"{name} is in the table or in the sources alone" for name in sorted(named ^ read_by_library)]
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
            for t in text[2:]:
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
