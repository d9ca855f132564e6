// `tapir repl` through a pipe.
#include <tapir/test/command/shell.h>

#include <doctest/doctest.h>

using shell::Folder;

static shell::Result repl(const std::string& lines) {
  Folder f;
  shell::write(f / "lines", lines);
  return f.run("tapir repl < lines");
}

TEST_CASE("Values are shown, and what is declared stays") {
  const auto r = repl(
      "Tensor x = linspace(0, 1, 3);\n"
      "x * 2\n"
      "auto f = [](const Tensor& t) { return sum(t * t); };\n"
      "grad(f)(x)\n"
      "x.shape()\n"
      "1 + 1; 2 + 2\n"
      "std::vector<std::string> names{\"a\", \"b\"}\n"
      "names\n"
      "std::map<std::string, bool>{{\"yes\", true}}\n"
      "x.size() == 3\n"
      "print(x);\n");
  CHECK(r.status == 0);
  CHECK(r.err == "");
  CHECK(r.out ==
        "tensor([0., 1., 2.], dtype=f32)\n"
        "tensor([0., 1., 2.], dtype=f32)\n"
        "[3]\n"
        "4\n"
        "[\"a\", \"b\"]\n"
        "[(\"yes\", true)]\n"
        "true\n"
        "tensor([0. , 0.5, 1. ], dtype=f32)\n");
}

TEST_CASE("Entries go on over lines; functions, types and includes stay") {
  const auto r = repl(
      "#include <numeric>\n"
      "struct Point {\n"
      "  int x, y;\n"
      "};\n"
      "std::ostream& operator<<(std::ostream& os, const Point& p) { return os << p.x << '/' << p.y; }\n"
      "Point p{1, 2};\n"
      "p\n"
      "int calls() {\n"
      "  static int n = 0;\n"
      "  return ++n;\n"
      "}\n"
      "calls()\n"
      "calls()\n"
      "template <class T>\n"
      "T doubled(T v) { return v + v; }\n"
      "doubled(21)\n"
      "std::vector<int> v{1, 2, 3};\n"
      "std::accumulate(v.begin(), v.end(), 0)\n"
      "for (auto& e : v)\n"
      "  e *= 2;\n"
      "v\n");
  CHECK(r.err == "");
  CHECK(r.out == "1/2\n1\n2\n42\n6\n[2, 4, 6]\n");
}

TEST_CASE("A name that is declared again hides the earlier one") {
  const auto r = repl(
      "int a = 1;\n"
      "int get() { return a; }\n"
      "auto a = ones({2});\n"
      "a\n"
      "get()\n"
      "int get() { return 5; }\n"
      "get()\n"
      "struct S { int v = 1; };\n"
      "S s;\n"
      "struct S { int w = 2; };\n"
      "s.v + S().w\n"
      "const int a = 3\n"
      "a\n");
  CHECK(r.err == "");
  CHECK(r.out == "tensor([1., 1.], dtype=f32)\n1\n5\n3\n3\n");
}

TEST_CASE("Mistakes keep the session") {
  const auto r = repl(
      "Tensor x = ones({2, 3});\n"
      "int y = x +* 1;\n"
      "matmul(x, x)\n"
      "Tensor z = ones({1}); Tensor bad = matmul(x, x);\n"
      "z\n"
      "bad\n"
      "std::vector<int>().at(3)\n"
      "throw 1;\n"
      "int far(int);\n"
      "far(1)\n"
      ":nonsense\n"
      "x.shape()\n");
  CHECK(r.status == 1);
  CHECK(r.out == "tensor([1.], dtype=f32)\n[2, 3]\n");
  CHECK(r.err ==
        "error: invalid type argument of unary '*' (have 'int')\n"
        "    1 | int y = x +* 1;\n"
        "      |            ^\n"
        "[3]:1: matmul: inner dimensions differ, 3 vs 2 ([2, 3] x [2, 3]).\n"
        "[4]:1: matmul: inner dimensions differ, 3 vs 2 ([2, 3] x [2, 3]).\n"
        "error: 'bad' was not declared in this scope\n"
        "    1 | bad\n"
        "      | ^\n"
        "std::out_of_range: vector::_M_range_check: __n (which is 3) >= this->size() (which is 0)\n"
        "something was thrown that is no std::exception\n"
        "error: 'far(int)' is declared, but defined nowhere.\n"
        "There is no command :nonsense; :help lists them.\n");
}

TEST_CASE("Tapes, variables and functions live from entry to entry") {
  const auto r = repl(
      "Variable w(ones({2}), \"w\");\n"
      "GradientTape tape;\n"
      "Tensor loss = sum(square(w) * 3.0);\n"
      "tape.gradient(loss, w)\n"
      "auto step = function([&](const Tensor& x) { return x * w; });\n"
      "step(arange(2).astype(DType::f32))\n"
      "w.assign(full({2}, 5.0f));\n"
      "step(ones({2}))\n"
      ":type w\n"
      ":type loss.shape()\n"
      ":names\n");
  CHECK(r.err == "");
  CHECK(r.out ==
        "tensor([6., 6.], dtype=f32)\n"
        "tensor([0., 1.], dtype=f32)\n"
        "tensor([5., 5.], dtype=f32)\n"
        "tapir::Variable\n"
        "tapir::Shape\n"
        "w     tapir::Variable\n"
        "tape  tapir::GradientTape\n"
        "loss  tapir::Tensor\n"
        "step  tapir::Function<tapir_entry_5()::<lambda(const tapir::Tensor&)> >\n");
}

TEST_CASE("A crash says which entry it was") {
  const auto r = repl("int a = 1;\n*(volatile int*)nullptr = a;\na\n");
  CHECK(r.status == 128 + 11);
  CHECK(r.err.find("tapir: entry [2] crashed; the session is over.") != std::string::npos);
}
