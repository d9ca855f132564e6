// Reads the JSON of a file alone: no weights, and no operation that this version would have to know.
#include <tapir/command/files.h>
#include <tapir/command/graph_page.h>
#include <tapir/command/saved_graph.h>
#include <tapir/graph/symbols.h>
#include <tapir/io/safetensors.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace tapir::command {
namespace {

using Json = nlohmann::ordered_json;
using look::Box, look::Drawing;

constexpr int kFarLayers = 6;  // a line over more layers is a text in its box instead: pictures of training stay narrow

std::string text_of(const Json& v) {
  if (v.is_array()) {
    std::string s;
    for (auto& e : v) s += (s.empty() ? "" : ", ") + text_of(e);
    return "[" + s + "]";
  }
  return v.is_string() ? v.get<std::string>() : v.dump();
}

// "conv2d" -> the colour of convolutions.
std::string kind_of(const std::string& op) {
  static const std::pair<const char*, const char*> kinds[] = {
      {"conv", "conv"},       {"matmul", "dense"},       {"norm", "norm"},          {"pool", "pool"},
      {"relu", "activation"}, {"softmax", "activation"}, {"sigmoid", "activation"}, {"tanh", "activation"},
      {"gelu", "activation"}, {"silu", "activation"},    {"reshape", "shape"},      {"permute", "shape"},
      {"broadcast", "shape"}, {"pad", "shape"}};
  for (auto& [part, kind] : kinds)
    if (op.find(part) != std::string::npos) return kind;
  return "op";
}

using Numbers = std::map<std::string, std::string>;

class Drawer {
 public:
  Drawer(const Json& file, const Json& graph, const Numbers& numbers, std::string title)
      : file_(file), g_(graph), numbers_(numbers), symbols_(graph.at("unknown").get<int>()) {
    d_.title = std::move(title);
  }

  Drawing draw(std::set<int>& bodies) {
    inputs();
    for (auto& n : g_.at("nodes")) node(n, bodies);
    outputs();
    for (int box : far_) d_.boxes[std::size_t(box)].lines[0] += number_of(box);
    return std::move(d_);
  }

 private:
  const Json& value(int v) const { return g_.at("values").at(std::size_t(v)); }

  // "f32[32, 28, 28, 1]", `?` for sizes that are not known.
  std::string spec(int v) const {
    return value(v).at("dtype").get<std::string>() + symbols_.named(text_of(value(v).at("shape")));
  }

  std::string variable_name(int index) const {
    const auto name = file_.at("variables").at(std::size_t(index)).at("name").get<std::string>();
    return name.empty() ? fmt::format("variable {}", index) : name;
  }

  // Tells one relu from another; arguments are told apart by their names.
  std::string number_of(int box) const {
    return d_.boxes[std::size_t(box)].kind == "input" ? "" : fmt::format(" #{}", box + 1);
  }

  // A box that reads these values.
  int add(Box b, const std::vector<int>& reads) {
    int layer = 0;
    for (int v : reads)
      if (auto it = made_by_.find(v); it != made_by_.end())
        layer = std::max(layer, layers_[std::size_t(it->second)] + 1);
    const int at = int(d_.boxes.size());
    for (int v : reads) {
      auto it = made_by_.find(v);
      if (it == made_by_.end()) continue;
      if (layer - layers_[std::size_t(it->second)] <= kFarLayers) {
        d_.links.push_back({it->second, at, spec(v)});
      } else {
        far_.insert(it->second);
        b.lines.push_back("from " + d_.boxes[std::size_t(it->second)].lines[0] + number_of(it->second));
      }
    }
    layers_.push_back(layer);
    d_.boxes.push_back(std::move(b));
    return at;
  }

  void inputs() {
    const int arguments = g_.at("arguments").get<int>();
    const Json& ids = g_.at("inputs");
    for (int i = 0; i < int(ids.size()); ++i) {
      const int v = ids[std::size_t(i)].get<int>();
      if (i < arguments) made_by_[v] = add({{fmt::format("argument {}", i), spec(v)}, "input", ""}, {});
      else variables_[v] = g_.at("reads").at(std::size_t(i - arguments)).get<int>();
    }
  }

  // What stands in the box of its reader: variables, constants, bodies. Empty for what is a box itself.
  std::string operand(int v, std::set<int>& bodies) const {
    if (auto it = variables_.find(v); it != variables_.end()) return variable_name(it->second) + ": " + spec(v);
    const Json& j = value(v);
    if (!j.contains("constant")) return "";
    const Json& c = j.at("constant");
    if (c.contains("tensor"))
      if (auto it = numbers_.find(c.at("tensor").get<std::string>()); it != numbers_.end())
        return "constant " + it->second +
               (c.contains("weak") ? "" : ": " + spec(v));  // a literal takes the dtype it meets
    if (!c.contains("graph")) return "constant " + spec(v);
    bodies.insert(c.at("graph").get<int>());
    return fmt::format("graph {}", c.at("graph").get<int>());
  }

  void node(const Json& n, std::set<int>& bodies) {
    const auto op = n.at("op").get<std::string>();
    Box b{{op}, kind_of(op), ""};
    std::string attributes;
    if (n.contains("attrs"))
      for (auto& [key, v] : n.at("attrs").items())
        attributes += (attributes.empty() ? "" : ", ") + key + "=" + symbols_.named(text_of(v));
    std::vector<int> reads;
    for (auto& id : n.at("in")) {
      reads.push_back(id.get<int>());
      if (const std::string text = operand(reads.back(), bodies); !text.empty()) b.lines.push_back(text);
    }
    if (!attributes.empty()) b.lines.push_back(attributes);
    std::string results;
    for (auto& id : n.at("out")) results += (results.empty() ? "" : ", ") + spec(id.get<int>());
    b.lines.push_back("\u2192 " + results);
    const int at = add(std::move(b), reads);
    for (auto& id : n.at("out")) made_by_[id.get<int>()] = at;
  }

  void outputs() {
    const int results = g_.at("results").get<int>();
    const Json& ids = g_.at("outputs");
    for (int i = 0; i < int(ids.size()); ++i) {
      const int v = ids[std::size_t(i)].get<int>();
      std::set<int> none;
      const std::string given = operand(v, none);
      Box b{{fmt::format("result {}", i), given.empty() ? spec(v) : given}, "output", ""};
      if (i >= results) {
        const auto which = g_.at("assigns").at(std::size_t(i - results)).get<std::size_t>();
        b.lines[0] = variable_name(g_.at("reads").at(which).get<int>()) + " =";
        b.kind = "weight";
      }
      add(std::move(b), {v});
    }
  }

  const Json &file_, &g_;
  const Numbers& numbers_;
  graph::Symbols symbols_;
  Drawing d_;
  std::vector<int> layers_;                 // of the boxes, which come in an order that none reads a later one
  std::map<int, int> made_by_, variables_;  // by value: its box, its variable
  std::set<int> far_;                       // boxes that are named from afar
};

// "f32[?, 28, 28, 1], i64[]": what a trace takes.
std::string signature(const Json& g) {
  const graph::Symbols symbols(g.at("unknown").get<int>());
  std::string s;
  for (int i = 0; i < g.at("arguments").get<int>(); ++i) {
    const Json& v = g.at("values").at(g.at("inputs").at(std::size_t(i)).get<std::size_t>());
    s += (i ? ", " : "") + v.at("dtype").get<std::string>() + symbols.named(text_of(v.at("shape")));
  }
  return s;
}

// Of the constants alone, and not of a file that takes long to read.
Numbers numbers_in(const std::string& file) {
  Numbers out;
  std::error_code wrong;
  if (fs::file_size(file, wrong) > (64u << 20) || wrong) return out;
  for (auto& [name, t] : io::load_safetensors(file))
    if (t.rank() == 0 && name.rfind("constant/", 0) == 0)
      out[name] = fmt::format("{:.6g}", t.astype(DType::f64).item<double>());
  return out;
}

std::string graph_in(const std::string& file) {
  try {
    for (auto& [key, text] : io::load_safetensors_metadata(file))
      if (key == "tapir") return text;
  } catch (const Error& e) {
    throw Failure(std::string("graph: ") + e.what());
  }
  throw Failure(fmt::format(
      "graph: {} holds tensors, but no graph. Function::save and save_functions write one; Model::save does not.",
      file));
}

}  // namespace

std::vector<Drawing> drawings_of(const std::string& json, const std::string& function, const Numbers& numbers) {
  const Json j = Json::parse(json, nullptr, false);
  try {
    if (j.is_discarded() || j.at("version").get<int>() > 1)
      throw Failure("graph: its graph is of a later version of tapir.");
    std::vector<Drawing> out;
    std::set<int> bodies, drawn;
    std::string names;
    for (auto& [name, traces] : j.at("functions").items()) {
      names += (names.empty() ? "" : ", ") + name;
      if (!function.empty() && name != function) continue;
      for (auto& t : traces) {
        const Json& g = j.at("graphs").at(t.get<std::size_t>());
        out.push_back(Drawer(j, g, numbers, fmt::format("{}({})", name, signature(g))).draw(bodies));
        drawn.insert(t.get<int>());
      }
    }
    if (out.empty()) throw Failure(fmt::format("graph: there is no function '{}'. It has {}.", function, names));
    while (true) {  // bodies of control flow, which may have bodies of their own
      std::set<int> next;
      for (int b : bodies)
        if (drawn.insert(b).second)
          out.push_back(Drawer(j, j.at("graphs").at(std::size_t(b)), numbers, fmt::format("graph {}", b)).draw(next));
      if (next.empty()) break;
      bodies = next;
    }
    return out;
  } catch (const nlohmann::json::exception& e) {
    throw Failure(fmt::format("graph: the file is damaged, or no function of tapir ({}).", e.what()));
  } catch (const Error& e) {
    throw Failure(std::string("graph: ") + e.what());
  }
}

void draw_graph(const GraphOptions& options) {
  const auto drawings = drawings_of(graph_in(options.file), options.function, numbers_in(options.file));
  const std::string stem = fs::path(options.file).stem().string();
  const std::string out = options.out.empty() ? stem + ".html" : options.out;
  const std::string kind = fs::path(out).extension().string();
  if (out == "-") {
    std::fputs(graph_page(stem, drawings).c_str(), stdout);
    return;
  }
  if (kind == ".svg") write_file(out, look::to_svg(drawings[0]));
  else if (kind == ".html") write_file(out, graph_page(stem, drawings));
  else throw Failure(fmt::format("graph: the file must end in .svg or .html, got {}.", out), 2);
  std::size_t boxes = 0;
  for (auto& d : drawings) boxes += d.boxes.size();
  std::printf("%s: %zu %s, %zu boxes\n", out.c_str(), drawings.size(), drawings.size() == 1 ? "graph" : "graphs",
              boxes);
  if (kind == ".svg" && drawings.size() > 1)
    std::printf("An SVG holds one graph, %s; a page (.html) holds all.\n", drawings[0].title.c_str());
}

}  // namespace tapir::command
