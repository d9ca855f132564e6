// The command: its words, and what they call.
#include <tapir/command/convert.h>
#include <tapir/command/files.h>
#include <tapir/command/info.h>
#include <tapir/command/repl.h>
#include <tapir/command/run.h>
#include <tapir/command/saved_graph.h>
#include <tapir_command_config.h>

#include <CLI/CLI.hpp>

#include <cstdio>

namespace tapir::command {
namespace {

constexpr const char* kExamples = R"(Examples:
  tapir run script.cpp                  compile and run one file; the second time at once
  tapir run -f -O3 fit.cpp --epochs 5   what follows the file is the script's
  tapir repl                            type C++, see values
  tapir graph model.safetensors         draw a saved function into model.html
  tapir convert model.keras model.onnx  a model or weights in another format
  tapir info                            what is installed, and what this machine has

A script can be run by its name: let its first line be
  #!/usr/bin/env -S tapir run
and make it executable (chmod +x script.cpp).)";

constexpr const char* kRunExamples = R"(Examples:
  tapir run script.cpp
  tapir run script.cpp data.npy --verbose       arguments of the script
  tapir run -f '-O3 -march=native -lpng' x.cpp  flags of the compiler and linker
  echo 'print(ones({2, 2}));' | tapir run -

Without a function main() the file is its body, with `using namespace tapir`. The compiler is $CXX, or g++.
Exit status and signals are the script's; a script that does not compile, or throws, ends with 1.)";

constexpr const char* kReplExamples = R"(Examples:
  tapir repl
  printf 'Tensor x = arange(6)\nsum(x)\n' | tapir repl

An expression without `;` shows its value. Variables, functions and types stay. :help lists the rest.)";

constexpr const char* kGraphExamples = R"(Examples:
  tapir graph model.safetensors                       writes model.html, which any browser opens
  tapir graph model.safetensors -o step.svg -n train  the function called train, as a picture
  tapir graph model.safetensors -o - | less           to stdout (HTML)

The file is what Function::save or save_functions wrote.)";

constexpr const char* kConvertExamples = R"(Examples:
  tapir convert model.keras model.onnx                a Keras model for ONNX Runtime
  tapir convert model.onnx model.safetensors          a function that load_function() reads
  tapir convert model.keras w.npz                     its weights, for NumPy
  tapir convert w.npz new.keras --like model.keras    weights into the layers of that model

Endings say what files are: .keras, .weights.h5 (Keras's weights), .h5, .onnx, .safetensors (a saved function, or
tensors), .tapir (a saved function), .npz. Weights alone become no model but with --like.)";

// CLI11 knows nothing of the words after an unknown one.
class Help final : public CLI::Formatter {
  std::string make_usage(const CLI::App* app, std::string name) const override {
    if (app->get_name() == "run") return "Usage: tapir run [OPTIONS] FILE [ARGUMENTS of the script...]\n";
    return Formatter::make_usage(app, name);
  }
};

// Has CLI11 say it in one line.
std::string one_line(const CLI::App* app, const CLI::Error& e) {
  std::string why = e.what();
  while (!why.empty() && why.back() == '.') why.pop_back();
  return "tapir: " + why + ". See " + app->get_name() + " --help.\n";
}

int run(int argc, char** argv) {
  CLI::App app{"tapir: tensors in C++, scripted and looked at", "tapir"};
  app.formatter(std::make_shared<Help>());
  app.footer(kExamples);
  app.set_version_flag("--version", std::string("tapir ") + kVersion);
  app.failure_message(one_line);
  app.require_subcommand(0, 1);

  CompileOptions options;
  const auto compiles = [&](CLI::App* sub) {
    sub->add_option("-f,--flags", options.flags, "more flags for the compiler and the linker, as one word");
    sub->add_flag("--full", options.full, "show everything that the compiler says");
  };
  CLI::App* script = app.add_subcommand("run", "Compile one C++ file against this tapir, and run it");
  compiles(script);
  script->footer(kRunExamples);
  script->prefix_command();

  CLI::App* repl = app.add_subcommand("repl", "A session: type C++, see values");
  compiles(repl);
  bool echo = false;
  repl->add_flag("--echo", echo, "show what is read from a pipe, for transcripts");
  repl->footer(kReplExamples);

  GraphOptions graph;
  CLI::App* draw = app.add_subcommand("graph", "Draw the graph of a saved function, for a browser");
  draw->add_option("FILE", graph.file, "a file that Function::save or save_functions wrote")->required();
  draw->add_option("-o,--out", graph.out, "where to: .html (pans, zooms, searches), .svg, or - for stdout");
  draw->add_option("-n,--name", graph.function, "only the function of this name");
  draw->footer(kGraphExamples);

  std::string from, to;
  formats::ConvertOptions conversion;
  CLI::App* change = app.add_subcommand("convert", "Models and weights from one format into another");
  change->add_option("IN", from, "what is read")->required();
  change->add_option("OUT", to, "what is written")->required();
  change->add_flag("-w,--weights", conversion.weights, "into .safetensors: tensors, though IN has a computation too");
  change->add_option("-l,--like", conversion.like, "a .keras file whose model takes the weights of IN");
  change->add_option("-n,--name", conversion.function, "of a file of several functions, the one of this name");
  change->add_option("-s,--size", conversion.unknown_size, "what stands for None in the shapes of Keras's inputs");
  change->footer(kConvertExamples);

  bool json = false;
  CLI::App* about = app.add_subcommand("info", "What is installed where, and what this machine has");
  about->add_flag("--json", json, "as JSON");
  CLI::App* clean = app.add_subcommand("clean", "Empty the caches of `tapir run` and `tapir repl`");

  CLI11_PARSE(app, argc, argv);

  if (*script) {
    const Words rest = script->remaining();
    if (rest.empty()) throw Failure("run: which file? See tapir run --help.", 2);
    if (rest[0].size() > 1 && rest[0][0] == '-')
      throw Failure("run: there is no option " + rest[0] + ". See tapir run --help.", 2);
    return run_script(rest[0], Words(rest.begin() + 1, rest.end()), options);
  }
  if (*repl) return run_repl(options, echo);
  if (*draw) draw_graph(graph);
  else if (*change) std::printf("%s\n", convert_file(from, to, conversion).c_str());
  else if (*about) std::fputs(info_text(json).c_str(), stdout);
  else if (*clean) std::fputs(clean_caches().c_str(), stdout);
  else std::fputs(app.help().c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace tapir::command

int main(int argc, char** argv) {
  try {
    return tapir::command::run(argc, argv);
  } catch (const tapir::command::Failure& f) {
    if (*f.what()) std::fprintf(stderr, "tapir: %s\n", f.what());
    return f.status;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tapir: %s\n", e.what());
    return 1;
  }
}
