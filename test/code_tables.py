"""Tables of code in the documents: `<!-- rows -->` and `<!-- missing -->`, as document.py describes them."""
import math
import re

CODE = re.compile(r"(`+)(.+?)\1")


def cells(line):
    return [c.replace(r"\|", "|").strip() for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def codes(cell):
    return [m[2] for m in CODE.finditer(cell)]


def rows(line, table):
    """(line, code of the first column, code of `tapir`, what it `gives`) of each row; None where a cell does not start with code."""
    head = [h.lower() for h in cells(table[0])]
    for number, text in enumerate(table[2:], line + 2):
        row = dict(zip(head, cells(text)))
        theirs, ours = ("; ".join(codes(row[key])) if row[key].startswith("`") else None for key in (head[0], "tapir"))
        yield number, theirs, ours, row.get("gives", "")


def halves(code):
    """The statements of a cell and its last expression, which may be missing."""
    depth = at = 0
    for i, c in enumerate(code):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(c, 0)
        if c == ";" and depth == 0:
            at = i + 1
    return code[:at], code[at:].strip()


NOISE = re.compile(r"(, )?(dtype|shape|device|requires_grad|grad_fn)=(\([^)]*\)|<[^>]*>|[^,)]*)|np\.\w+(?=\()|tf\.Tensor|torch\.|numpy=")
DTYPES = {"bfloat16": "bf16", "float": "f", "uint": "u", "int": "i"}
WORDS = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[+-]?\d+)?|\b(?:true|false|nan|inf|bool|b?f16|f32|f64|[iu]8|i16|i32|i64)\b")


def tokens(text):
    """The numbers and words of a result, whoever printed it."""
    text = re.sub(r"\b(bfloat16|float|uint|int)(\d+)\b", lambda m: DTYPES[m[1]] + m[2], NOISE.sub("", text))
    return WORDS.findall(text.lower())


def same(a, b):
    def alike(x, y):
        try:
            return x == y or math.isclose(float(x), float(y), rel_tol=1e-4, abs_tol=1e-5)
        except ValueError:
            return False

    a, b = tokens(a), tokens(b)
    return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b))


def there_after_all(table, headers):
    """Names in the first column of a table of what is missing that the public headers declare."""
    for text in table[2:]:
        for name in codes(cells(text)[0]):
            last = re.escape(name.split(".")[-1].rstrip("()"))
            if re.search(rf"\b(class|struct) {last}\b|^(Tensor|std::\S+|void|bool|\w+) {last}\(", headers, re.M):
                yield name
