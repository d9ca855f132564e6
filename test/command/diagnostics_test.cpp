// What compilers and linkers said, word for word, and what is made of it. run_test.cpp has the compiler of this
// machine.
#include <tapir/command/diagnostics.h>

#include <doctest/doctest.h>

using namespace tapir::command;

static const DiagnosisContext context{
    [](const std::string& f) { return f.rfind("/usr/", 0) == 0 || f.find("/include/tapir/") != std::string::npos; },
    {{"a.cpp", "int main() {\n  f(x);\n\tg(y);\n}\n"}}};

TEST_CASE("gcc: an error in a header is shown at the user's line, once") {
  const auto d = diagnosis_of(
      "In file included from /usr/include/c++/12/bits/stl_algobase.h:71,\n"
      "                 from a.cpp:1:\n"
      "/usr/include/c++/12/bits/predefined_ops.h: In instantiation of 'bool less(T) [with T = P]':\n"
      "/usr/include/c++/12/bits/stl_algo.h:1809:14:   required from 'void std::sort(T) [with T = P]'\n"
      "a.cpp:2:4:   required from here\n"
      "/usr/include/c++/12/bits/predefined_ops.h:45:23: error: no match for 'operator<' (operand types are 'P' and "
      "'P')\n"
      "   45 |       { return *__it1 < *__it2; }\n"
      "      |                ~~~~~~~^~~~~~~~\n"
      "/usr/include/c++/12/bits/stl_iterator.h:1185:5: note: candidate: 'operator<(int)'\n"
      "a.cpp:2:4:   required from here\n"
      "/usr/include/c++/12/bits/predefined_ops.h:98:22: error: no match for 'operator<' (operand types are 'P' and "
      "'P')\n",
      context);
  CHECK(d.text ==
        "a.cpp:2:4: error: no match for 'operator<' (operand types are 'P' and 'P')\n"
        "    2 |   f(x);\n"
        "      |    ^\n"
        "        met in bits/predefined_ops.h:45, which this line calls\n");
  CHECK(d.cut == 4);
}

TEST_CASE("clang: the same, with the way in among the notes") {
  const auto d = diagnosis_of(
      "In file included from a.cpp:1:\n"
      "/usr/bin/../include/c++/12/bits/predefined_ops.h:45:23: error: invalid operands to binary expression ('P' and "
      "'P')\n"
      "      { return *__it1 < *__it2; }\n"
      "               ~~~~~~ ^ ~~~~~~\n"
      "/usr/bin/../include/c++/12/bits/stl_algo.h:1809:14: note: in instantiation of function template specialization "
      "'less<P>' "
      "requested here\n"
      "a.cpp:3:2: note: in instantiation of function template specialization 'std::sort<P>' requested here\n"
      "        g(y);\n"
      "        ^\n"
      "1 error generated.\n",
      context);
  CHECK(d.text ==
        "a.cpp:3:2: error: invalid operands to binary expression ('P' and 'P')\n"
        "    3 | \tg(y);\n"
        "      | \t^\n"
        "        met in bits/predefined_ops.h:45, which this line calls\n");
}

TEST_CASE("Notes: those of the user's files, and two of tapir's functions") {
  const auto d = diagnosis_of(
      "a.cpp: In function 'int main()':\n"
      "a.cpp:2:3: error: no matching function for call to 'f(std::__cxx11::basic_string<char>)' [-fpermissive]\n"
      "a.cpp:1:5: note: candidate: 'int f(int)'\n"
      "a.cpp:1:7: note:   no known conversion for argument 1\n"
      "/usr/include/c++/12/x:1:2: note: candidate: 'f(X)'\n"
      "a.cpp:2:4: note:   cannot convert 'x'\n"
      "/p/include/tapir/ops/conv.h:41:73: note: in passing argument 3 of 'tapir::Tensor tapir::conv2d(X) [with X = "
      "std::vector<int, [3]>]'\n"
      "/p/include/tapir/ops/op.h:1:3: note: second\n"
      "/p/include/tapir/ops/op.h:1:3: note: third\n",
      context);
  CHECK(d.text ==
        "a.cpp:2:3: error: no matching function for call to 'f(std::string)'\n"
        "    2 |   f(x);\n"
        "      |   ^\n"
        "a.cpp:1:5: note: candidate: 'int f(int)'\n"
        "    1 | int main() {\n"
        "      |     ^\n"
        "          no known conversion for argument 1\n"
        "        in passing argument 3 of 'tapir::Tensor tapir::conv2d(X)'\n"
        "        second\n");
}

TEST_CASE("Linkers") {
  const char* want =
      "a.cpp:2: error: 'f(int)' is declared, but defined nowhere. Define it, or link what does: --flags -lNAME.\n    2 "
      "|   f(x);\n";
  for (const char* said :
       {"/usr/bin/ld: /tmp/x.o: in function `main':\n/tmp/dir/a.cpp:2: undefined reference to `f(int)'\n"
        "/usr/bin/ld: /tmp/dir/a.cpp:2: undefined reference to `f(int)'\ncollect2: error: ld returned 1 exit status\n",
        "/tmp/dir/a.cpp:2: error: undefined reference to 'f(int)'\ncollect2: error: ld returned 1 exit status\n"})
    CHECK(diagnosis_of(said, context).text == want);
  const auto lld = diagnosis_of("ld.lld: error: undefined symbol: f(int)\n>>> referenced by a.cpp:2\n", context);
  CHECK(lld.text.find("error: 'f(int)' is declared, but defined nowhere.") != std::string::npos);
  CHECK(diagnosis_of("/usr/bin/ld: cannot find -lfoo: No such file or directory\n", context).text ==
        "error: there is no library libfoo where the linker looks. Install its -dev package, or say where it is: "
        "--flags '-L/folder -lfoo'.\n");
}

TEST_CASE("Five errors are enough, and what is no message is left out") {
  std::string said;
  for (int i = 1; i < 9; ++i) said += "b.cpp:" + std::to_string(i) + ":1: error: e" + std::to_string(i) + "\n";
  const auto d = diagnosis_of(said, context);
  CHECK(
      d.text ==
      "b.cpp:1:1: error: e1\nb.cpp:2:1: error: e2\nb.cpp:3:1: error: e3\nb.cpp:4:1: error: e4\nb.cpp:5:1: error: e5\n");
  CHECK(d.cut == 3);
  CHECK(diagnosis_of("something else went wrong\n", context).text == "");
}
