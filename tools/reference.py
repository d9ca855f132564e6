#!/usr/bin/env python3
"""Writes the reference: what the public headers say, and for operations what was found out by calling them.

  reference.py FACTS OUT      writes OUT/reference.md (operations) and OUT/api.md (the rest); FACTS is a program,
                              test/reference/op_facts.cpp

Ends with 1, and a line for each, if a public function or class has no `///` comment, or if a function that has to do with
tensors has no call in test/reference/op_calls.cpp.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INTERNAL = {"graph/structure.h", "ops/attrs.h", "ops/op.h", "tensor/callable.h", "tensor/storage.h"}
TITLES = {"tensor": "Tensors and variables", "autograd": "Gradients", "graph": "Tracing", "nn": "Layers and training", "data": "Data",
          "io": "Files", "look": "Looking at what happens"}


def public_headers():
    """Those that tapir.h brings, by themselves or through others, in the order in which it names them."""
    seen = []

    def visit(path):
        for name in re.findall(r"^#include <tapir/(.*?)>", (ROOT / path).read_text(encoding="utf-8"), re.M):
            if name not in seen:
                visit(name)
                seen.append(name)

    visit("tapir.h")
    return [name for name in seen if name not in INTERNAL]


class Item:
    """A function, a type, a value or a heading (a comment between others) of a header. `code` is what is shown."""

    def __init__(self, path, line, doc, text="", prefix=""):
        self.where, self.doc, self.kind, self.name, self.code = f"{path}:{line}", doc, "heading", "", ""
        if not text:
            return
        declared = re.sub(r"^template <.*>\n|^\[\[.*?\]\] |decltype\(auto\) ", "", text)
        if named := re.match(r"[^=({]*(operator\S+?)\(", re.sub(r"^requires\(.*?\) ", "", declared)):
            self.kind, self.code = "function", shown_function(text)
        elif named := re.match(r"(?:class|struct|enum class|enum|using|concept) (\w+)", declared):
            self.kind, self.code = "type", shown_class(text)
        elif named := re.match(r"[^=({]*?\b(\w+) ?(?:=|\{|;)", declared):
            self.kind, self.code = "value", text
        else:
            named = re.search(r"(\w+)\(", re.sub(r"^requires.*\n|requires\(.*?\) *", "", declared))
            self.kind, self.code = "function", shown_function(text)
        self.name = prefix + named[1]
        if re.search(rf"\w::(operator )?{re.escape(named[1])}\b", text.split("(")[0]):
            self.kind = "definition"  # of what a class has declared


def shown_class(text):
    """A class without what is not public."""
    out, public = [], True
    for line in text.splitlines():
        if line.startswith("  // For operations and backends"):
            public = False
        elif label := re.match(r" (public|protected|private):$", line):
            public = label[1] == "public"
        elif public and not re.match(r"  (friend |struct \w+;|class \w+;)", line):
            out.append(line)
    return re.sub(r"\n+(?=\n\n)|\n(?=\n};)", "", "\n".join(out if public else [*out, "};"]))


def shown_function(text):
    """A declaration alone, in one line, without the Where that all of them end with."""
    text = re.sub(r"(?<![=(,]) \{.*", "", re.sub(r"\s+", " ", text)).rstrip("; ")
    return re.sub(r"(, |(?<=\())Where \w+ = Where::current\(\)", "", text) + ";"


def declarations(path):
    """(introduction, [Item]) of a header."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if not line.startswith("//"))
    intro = " ".join(line[2:].strip() for line in lines[:start])
    items, doc, spaces, at = [], [], [], start

    def run(ends):
        """The lines from here to the first that ends it."""
        nonlocal at
        first = at
        while at < len(lines) and not ends(lines[at]):
            at += 1
        at += 1
        return lines[first:at]

    while at < len(lines) and not lines[at].startswith("// For operations and backends"):
        line, number = lines[at], at + 1
        if line.startswith("///"):
            doc.append(line[3:].strip())
        elif space := re.match(r"namespace ([\w:]+) \{", line):
            if space[1].endswith("detail"):
                run(lambda t: re.match(r"\}  // namespace (\w+::)*detail", t))
                continue
            spaces.append(space[1].removeprefix("tapir").removeprefix("::"))
        elif line == "}" or line.startswith("}  // namespace"):
            spaces.pop()
        elif line.startswith("// "):
            comment = run(lambda t: not t.startswith("//") or t.startswith("///"))
            items.append(Item(path, number, " ".join(t[2:].strip() for t in comment[:-1])))
            at -= 1
            continue
        elif re.match(r"[\w\[]", line) and not line.startswith("namespace"):
            depth = 0

            def ends(t):
                nonlocal depth
                t = re.sub(r"\s*//.*", "", t)
                depth += t.count("{") - t.count("}")
                return depth == 0 and t.endswith((";", "}"))

            text = "\n".join(run(ends))
            if not re.match(r"(class|struct) \w+;$|template <.*>\n(class|struct) \w+;$", text):
                items.append(Item(path, number, "\n".join(doc), text, "".join(f"{s}::" for s in spaces if s)))
            doc = []
            continue
        else:
            doc = []
        at += 1
    return intro, [item for item in items if item.kind != "definition"]


def paragraphs(doc):
    return re.sub(r"(?<!\n)\n(?!\n)", " ", doc)


def code_block(code):
    return ["```cpp", *code.splitlines(), "```", ""]


def fact_lines(call, rows):
    ran = [rows[name] for name in call["rows"]]
    kept = [f"`{r['name']}` " + ("is a view" if r["kind"] == "view" else f"keeps {r['saves']}" if r["gradient"] else "has no gradient") for r in ran]
    gradient = "yes" if call["orders"] == 3 else f"of order {call['orders']} at most" if call["orders"] else "none"
    backends = [b.upper() for b in ("cpu", "cuda") if all(r[b] or r["kind"] in ("view", "control flow") for r in ran)]
    used = [f"`{name}` {spec}" for name, spec in call["operands"].items() if re.search(rf"\b{name}\b", call["call"])]
    results = f" gives {', '.join(call['results'])}" if call["results"] else ""
    if any(not re.match(r"`(i|mask|labels)` ", u) for u in used) or "dtype" in call["call"]:
        yield f"- dtypes: {', '.join(call['dtypes'])}"
    yield f"- gradient: {gradient}"
    yield f"- rows: {', '.join(kept) if kept else 'none, it works on memory directly'}"
    yield f"- backends: {', '.join(backends)}"
    yield f"- for example `{call['call']}`" + (f" with {', '.join(used)}" if used else "") + results
    yield ""


OPS_INTRO = """# Reference: operations

Made by `./dev docs` from the comments in the public headers and by calling each function. *dtypes* are those of the operands that vary in the example;
each was tried. *gradient: yes* says that derivatives up to the third were taken; `test/ops/op_table_test.cpp` holds first and second derivatives of every row against differences.
*rows* are the rows of the op table that the example runs, and what a tape keeps of each. Everything else (layers, tapes, files) is in [the other reference](api.md).

All functions are in namespace `tapir` and take one more argument, `Where where = Where::current()`, which names your line in errors; it is not shown. Functions whose operands are `Operand` take
Tensors, Variables and numbers.
"""


def operations(facts, headers, complaints):
    rows, calls = ({row["name"]: row for row in facts[key]} for key in ("rows", "calls"))
    out, index, named = [], [], set()
    for path in headers:
        intro, items = declarations(path)
        title = intro.split(".")[0].split(":")[0]
        out += [f"## {title}", "", f"{intro} `#include <tapir/{path}>`", ""]
        names = []
        for position, item in enumerate(items):
            earlier = [i for i in items[:position] if i.kind == item.kind == "function" and i.name == item.name]
            if item.kind == "heading":
                out += [f"*{item.doc}*", ""]
            elif item.kind != "function":
                out += [paragraphs(item.doc), "", *code_block(item.code)]
            elif "operator" in item.name or earlier:
                continue
            else:
                names.append(item.name)
                named.add(item.name)
                out += [f"### {item.name}", "", *code_block("\n".join(i.code for i in items if i.kind == "function" and i.name == item.name))]
                out += [paragraphs("\n\n".join(i.doc for i in items if i.kind == "function" and i.name == item.name and i.doc)), ""]
                if not item.doc:
                    complaints.append(f"{item.where}: {item.name} has no /// comment")
                if call := calls.get(item.name):
                    out += fact_lines(call, rows)
                elif re.search(r"\b(Tensor|Operand)\b", item.code):
                    complaints.append(f"{item.where}: {item.name} has no call in test/reference/op_calls.cpp")
        if names:
            index.append(f"- **{title}**: " + ", ".join(f"[{n}](#{n.replace('::', '')})" for n in names))
    complaints += [f"test/reference/op_calls.cpp: there is no {name}" for name in calls if name not in named]
    table = ["## The op table", "", "Every row: what functions run, and what gradients and fused graphs are made of. Views and control flow need no kernel. "
             "*CUDA*: there is a kernel, which the tests run on the host double; none was run on a GPU ([CUDA](cuda.md)).", "",
             "| row | kind | gradient | a tape keeps | CPU | CUDA |", "|---|---|---|---|---|---|"]
    for row in rows.values():
        kind = ", ".join(k for k in (row["kind"], "effect" if row["effect"] else "") if k)
        kernels = ["" if row["kind"] in ("view", "control flow") else "yes" if row[b] else f"no: {row['why not on cuda']}" for b in ("cpu", "cuda")]
        table.append(f"| `{row['name']}` | {kind} | {'yes' if row['gradient'] else 'no'} | {row['saves'] if row['gradient'] else ''} | {' | '.join(kernels)} |")
    return "\n".join([OPS_INTRO, *index, "", *out, *table, ""])


def rest(headers, complaints):
    out = ["# Reference: everything else", "", "Made by `./dev docs` from the public headers, without what is private. Operations on tensors are in [the other reference](reference.md).", ""]
    for room, title in TITLES.items():
        out += [f"## {title}", ""]
        for path in (h for h in headers if h.startswith(room + "/")):
            intro, items = declarations(path)
            if not items:
                continue
            out += [f"### {path}", "", intro, ""]
            block = []
            for item in items:
                if item.kind == "heading":
                    block += [f"// {item.doc}", ""]
                    continue
                if not item.doc and item.kind == "type" and not item.name.endswith("Options"):
                    complaints.append(f"{item.where}: {item.name} has no /// comment")
                block += [*(f"/// {line}" for line in item.doc.splitlines()), item.code, ""]
            out += code_block("\n".join(block).rstrip())
    return "\n".join(out)


def main(program, folder):
    facts = json.loads(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    headers, complaints = public_headers(), []
    ops = [h for h in headers if h.startswith("ops/")]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reference.md").write_text(operations(facts, ops, complaints), encoding="utf-8")
    (folder / "api.md").write_text(rest([h for h in headers if h not in ops], complaints), encoding="utf-8")
    print(*complaints, f"{len(facts['calls'])} functions called, {len(facts['rows'])} rows, {len(complaints)} complaints", sep="\n")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
