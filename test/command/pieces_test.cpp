#include <tapir/command/pieces.h>

#include <doctest/doctest.h>

#include <string>

using namespace tapir::command;

// "v a,b | d f | e": the kind of each piece and what it declares.
static std::string kinds(const std::string& source) {
  std::string s;
  for (auto& p : pieces_of(source)) {
    s += s.empty() ? "" : " | ";
    s += p.kind == Piece::Kind::directive    ? "#"
         : p.kind == Piece::Kind::definition ? "d"
         : p.kind == Piece::Kind::variable   ? "v"
         : p.kind == Piece::Kind::statement  ? "s"
                                             : "e";
    for (std::size_t i = 0; i < p.names.size(); ++i) s += (i ? "," : " ") + p.names[i];
  }
  return s;
}

TEST_CASE("Variables, and what they are called") {
  CHECK(kinds("Tensor x = ones({2, 3});") == "v x");
  CHECK(kinds("auto a = 1, b{2}, *c = &a;") == "v a,b,c");
  CHECK(kinds("const auto& [u, v] = f();") == "v u,v");
  CHECK(kinds("auto [u, v] = f();") == "v u,v");
  CHECK(kinds("std::vector<std::pair<int, float>> v(3), w;") == "v v,w");
  CHECK(kinds("std::map<std::string, int> m{{\"a,b\", 1}};") == "v m");
  CHECK(kinds("unsigned long n = 3; float f[2] = {1, 2};") == "v n | v f");
  CHECK(kinds("T* p = q;") == "v p");
  CHECK(kinds("GradientTape tape;") == "v tape");
  CHECK(kinds("nn::Sequential model{nn::Dense(3), nn::ReLU()};") == "v model");
  CHECK(kinds("Tensor y(x);") == "v y");
  CHECK(kinds("auto f = [](const Tensor& t) { return t * 2; };") == "v f");
  CHECK(kinds("auto g = [&] {\n return 1;\n}();") == "v g");
  CHECK(kinds("constexpr int n = 3") == "v n");
  CHECK(kinds("::std::string s = \"x\";") == "v s");
}

TEST_CASE("Expressions and statements") {
  CHECK(kinds("x") == "e");
  CHECK(kinds("x + y * 2") == "e");
  CHECK(kinds("a * b") == "e");
  CHECK(kinds("a & b") == "e");
  CHECK(kinds("a < b") == "e");
  CHECK(kinds("f(x)[0]") == "e");
  CHECK(kinds("Tensor(x)") == "e");
  CHECK(kinds("int(2.5)") == "e");
  CHECK(kinds("std::vector<int>{1, 2}") == "e");
  CHECK(kinds("sizeof x") == "e");
  CHECK(kinds("[](int i) { return i; }(3)") == "e");
  CHECK(kinds("x = y;") == "s");
  CHECK(kinds("f(x); x") == "s | e");
  CHECK(kinds("std::cout << x << \"; not the end\\n\";") == "s");
  CHECK(kinds("for (int i = 0; i < 3; ++i) f(i); x") == "s | e");
  CHECK(kinds("if (a) b(); else c();") == "s");
  CHECK(kinds("if (a) { b(); } else { c(); } x") == "s | e");
  CHECK(kinds("do { a(); } while (b); x") == "s | e");
  CHECK(kinds("try { a(); } catch (const Error& e) { b(); } x") == "s | e");
  CHECK(kinds("while (true) { break; }\n-x") == "s | e");
  CHECK(kinds("return 3;") == "s");
  CHECK(kinds("") == "");
}

TEST_CASE("Definitions stand outside") {
  CHECK(kinds("Tensor twice(const Tensor& x) { return 2 * x; } twice(x)") == "d twice | e");
  CHECK(kinds("Tensor twice(const Tensor& x) { return 2 * x; }\n(1 + 2)") == "d twice | e");
  CHECK(kinds("int zero() { return 0; } int one() { return 1; }") == "d zero | d one");
  CHECK(kinds("int declared(int a, float b);") == "d declared");
  CHECK(kinds("auto f(int x) -> int { return x; }") == "d f");
  CHECK(kinds("static constexpr int g(int x) noexcept { return x; }") == "d g");
  CHECK(kinds("template <class T, int n = (3 > 2)> T h(T x) { return x; } h(3)") == "d h | e");
  CHECK(kinds("template <class T> requires requires(T t) { t.size(); } int k(const T& t) { return 1; }") == "d k");
  CHECK(kinds("template <class T> struct S { T x; }; S<int> s{3};") == "d S | v s");
  CHECK(kinds("struct Net : nn::Model { Net() {} };") == "d Net");
  CHECK(kinds("enum class Colour { red, green }; using I = int; typedef long L;") == "d Colour | d I | d L");
  CHECK(kinds("namespace a { int x; } using namespace a;") == "d | d");
  CHECK(kinds("std::ostream& operator<<(std::ostream& os, const P& p) { return os; }") == "d");
  CHECK(kinds("int P::get() const { return 1; }") == "d");
  CHECK(kinds("#include <map>\n#define TWO \\\n  2\nTWO") == "# | # | e");
}

TEST_CASE("Comments, strings and characters hide brackets") {
  CHECK(kinds("f(\"{\"); // }\ng('{'); /* } */ R\"x({)\")x\"") == "s | s | e");
  CHECK(kinds("int n = 1'000'000;") == "v n");
  CHECK(pieces_of("a;\n\n  b;")[1].line == 3);
}

TEST_CASE("An entry goes on while something is open") {
  for (const char* s : {"f(", "{", "auto f = [] {", "x = /* ", "int a =", "std::cout <<", "#define X \\",
                        "template <class T>", "for (;;)", "if (a) b(); else", "while (f(x))", "R\"(a\nb"})
    CHECK_MESSAGE(goes_on(s), s);
  for (const char* s : {"f()", "\"(\"", "'('", "x // (", "{ }", "i++", "a;", "for (;;) f();",
                        "template <class T> void f() {}", "f(x)", "R\"(()\"", ")"})
    CHECK_MESSAGE(!goes_on(s), s);
}

TEST_CASE("main") {
  CHECK(has_main("#include <x>\nint main() { }"));
  CHECK(has_main("int f() { ; int main(int argc, char** argv)"));  // the compiler will say what is wrong with it
  CHECK(has_main("auto main() -> int {}"));
  CHECK(!has_main("// int main() {}\nf(\"int main()\");"));
  CHECK(!has_main("int domain(); main_loop();"));
}
