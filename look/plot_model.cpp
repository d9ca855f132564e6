#include <tapir/graph/trace.h>
#include <tapir/io/output_file.h>
#include <tapir/look/drawing.h>
#include <tapir/look/plot_model.h>
#include <tapir/nn/layer_state.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace tapir::nn {
namespace {

using State = std::shared_ptr<Layer::State>;

// A call of a layer within the model's, and the operations that it traced, [first, last).
struct Called {
  State layer;
  int outer;  // -1: the model itself
  bool holds_others = false;
  std::size_t x, y;  // in Watch::tensors
  int first, last = 0;
};

class Watch final : public detail::LayerObserver {
 public:
  explicit Watch(const graph::Tracer& tracer) : tracer_(tracer), outer_(detail::layer_observer()) {
    detail::layer_observer() = this;
  }
  ~Watch() { detail::layer_observer() = outer_; }

  void enter(const State& layer, const Tensor& x) override {
    const int outer = open_.empty() ? -1 : open_.back();
    if (outer >= 0) calls[std::size_t(outer)].holds_others = true;
    open_.push_back(int(calls.size()));
    calls.push_back({layer, outer, false, keep(x), 0, tracer_.node_count()});
  }
  void leave(const State&, const Tensor& y) override {
    Called& c = calls[std::size_t(open_.back())];
    open_.pop_back();
    c.y = keep(y), c.last = tracer_.node_count();
    ended.push_back(int(&c - calls.data()));
  }

  std::vector<Called> calls;    // in order of their beginnings; the model's own is the first
  std::vector<int> ended;       // in order of their ends
  std::vector<Tensor> tensors;  // what went in and out

 private:
  std::size_t keep(const Tensor& t) { return tensors.push_back(t), tensors.size() - 1; }
  const graph::Tracer& tracer_;
  detail::LayerObserver* outer_;
  std::vector<int> open_;
};

// "BatchNormalization" -> "norm"
std::string kind_of(const std::string& type, bool holds_others) {
  static const std::pair<const char*, const char*> kinds[] = {
      {"Conv", "conv"},      {"Dense", "dense"},           {"Norm", "norm"},
      {"Pool", "pool"},      {"Activation", "activation"}, {"ReLU", "activation"},
      {"ELU", "activation"}, {"Softmax", "activation"},    {"Flatten", "shape"},
      {"Reshape", "shape"},  {"Permute", "shape"},         {"Padding", "shape"},
      {"Cropping", "shape"}, {"UpSampling", "shape"}};
  if (holds_others) return "group";
  for (auto& [part, kind] : kinds)
    if (type.find(part) != std::string::npos) return kind;
  return "op";
}

class ModelDrawing {
 public:
  ModelDrawing(Layer& model, const PlotOptions& options) : options_(options) {
    const Layer::State& s = *model.state();
    drawing_.title = model.name();
    detail::Unrecorded unrecorded;
    graph::Tracer tracer;
    std::vector<Tensor> xs{tracer.input({s.input.shape, s.input.dtype})};
    for (auto& other : s.other_inputs) xs.push_back(tracer.input({other.shape, other.dtype}));
    Watch watch(tracer);
    try {
      if (xs.size() == 1) model(xs[0], {.training = false});
      else model(xs, {.training = false});
    } catch (const UsageError& e) {
      const std::string why = e.what();  // names our caller's line already
      throw UsageError(fmt::format("plot_model: {} cannot be traced. {}", model.name(),
                                   CallSite::current() ? why.substr(why.find(": ") + 2) : why));
    }
    const std::size_t first_input = watch.tensors.size();
    watch.tensors.insert(watch.tensors.end(), xs.begin(), xs.end());
    graph_ = tracer.finish(watch.tensors);
    calls_ = watch.calls;
    made_by_.assign(graph_.values.size(), -1);
    for (std::size_t i = 0; i < xs.size(); ++i)
      made_by_[value(first_input + i)] = add(input_lines(xs[i].spec()), "input");
    walk(watch.ended);
  }

  look::Drawing take() { return std::move(drawing_); }

 private:
  std::size_t value(std::size_t tensor) const { return std::size_t(graph_.outputs[tensor]); }

  int add(std::vector<std::string> lines, const std::string& kind, const std::string& tip = "") {
    drawing_.boxes.push_back({std::move(lines), kind, tip});
    return int(drawing_.boxes.size()) - 1;
  }
  void link(int from, int to, std::size_t v) {
    if (from < 0 || from == to || !linked_.insert({from, to}).second) return;
    const Spec& s = graph_.spec(int(v));
    drawing_.links.push_back({from, to, fmt::format("{} {}", name_of(s.dtype), detail::shape_text(s.shape))});
  }

  void shape_lines(std::vector<std::string>& lines, const Spec& s) const {
    if (options_.show_shapes) lines.push_back(detail::shape_text(s.shape));
    if (options_.show_dtype) lines.push_back(name_of(s.dtype));
  }
  std::vector<std::string> input_lines(const TensorSpec& input) const {
    std::vector<std::string> lines{"input"};
    shape_lines(lines, {input.shape, input.dtype});
    return lines;
  }

  // Is this call a box, rather than those within?
  bool is_box(const Called& c) const {
    if (options_.expand_nested) return !c.holds_others;
    return c.outer == 0 || (c.outer < 0 && !c.holds_others);
  }

  int box_of_call(int call) {
    if (auto known = boxes_.find(call); known != boxes_.end()) return known->second;
    const Called& c = calls_[std::size_t(call)];
    const Layer::State& s = *c.layer;
    std::vector<std::string> lines{options_.show_layer_names ? fmt::format("{} ({})", s.name, s.type) : s.type};
    shape_lines(lines, graph_.spec(int(value(c.y))));
    std::int64_t weights = 0;
    detail::visit_variables(s, [&](const Variable& v, bool, const std::string&) { weights += v.size(); });
    const bool again = !seen_.insert(c.layer.get()).second;
    if (options_.show_params && weights)
      lines.push_back(fmt::format("{} weights{}", detail::with_commas(weights), again ? ", shared" : ""));
    if (options_.show_trainable && weights) lines.push_back(s.trainable ? "trainable" : "frozen");
    return boxes_[call] = add(std::move(lines), kind_of(s.type, c.holds_others));
  }

  // The box of an operation: of the layer that ran it, else its own.
  int box_of_node(std::size_t n) {
    int innermost = -1;
    for (std::size_t c = 0; c < calls_.size(); ++c)
      if (calls_[c].first <= int(n) && int(n) < calls_[c].last) innermost = int(c);
    for (int c = innermost; c >= 0; c = calls_[std::size_t(c)].outer)
      if (is_box(calls_[std::size_t(c)])) return box_of_call(c);
    const graph::Node& node = graph_.nodes[n];
    std::vector<std::string> lines{node.op->name};
    shape_lines(lines, graph_.spec(node.out[0]));
    return add(std::move(lines), "op", node.attrs.get().str());
  }

  // Operations and the ends of calls as they came.
  void walk(const std::vector<int>& ended) {
    std::size_t n = 0;
    auto nodes_until = [&](std::size_t end) {
      for (; n < end; ++n) {
        const int box = box_of_node(n);
        for (int v : graph_.nodes[n].in) link(made_by_[std::size_t(v)], box, std::size_t(v));
        for (int v : graph_.nodes[n].out) made_by_[std::size_t(v)] = box;
      }
    };
    for (int call : ended) {
      const Called& c = calls_[std::size_t(call)];
      nodes_until(std::size_t(c.last));
      if (!is_box(c)) continue;
      // A layer that hands on what it got is on the way all the same.
      const int box = box_of_call(call);
      const std::size_t y = value(c.y);
      link(made_by_[y], box, y);
      made_by_[y] = box;
    }
    nodes_until(graph_.nodes.size());
  }

  const PlotOptions options_;
  look::Drawing drawing_;
  graph::Graph graph_;
  std::vector<Called> calls_;
  std::vector<int> made_by_;  // the box, by value
  std::map<int, int> boxes_;  // by call
  std::set<std::pair<int, int>> linked_;
  std::set<const void*> seen_;
};

look::Drawing drawing_of(Layer& model, const PlotOptions& o) {
  if (o.rankdir != "TB" && o.rankdir != "LR")
    throw UsageError(fmt::format("plot_model: rankdir must be \"TB\" or \"LR\", got \"{}\".", o.rankdir));
  if (!model.built())
    throw UsageError(fmt::format(
        "plot_model: {} is not built. Call it once, or give the shape of an example: model.build({{28, 28, 1}}).",
        model.name()));
  return ModelDrawing(model, o).take();
}

look::DrawingOptions drawing_options(const PlotOptions& o) {
  return {.left_to_right = o.rankdir == "LR", .longest_line = 64};
}

}  // namespace

std::string model_svg(Layer& model, const PlotOptions& o, Where where) {
  CallSite site(where);
  return look::to_svg(drawing_of(model, o), drawing_options(o));
}

void plot_model(Layer& model, const std::string& path, const PlotOptions& o, Where where) {
  CallSite site(where);
  const bool page = path.ends_with(".html");
  if (!page && !path.ends_with(".svg"))
    throw UsageError(fmt::format("plot_model: the path must end in .svg or .html, got \"{}\".", path));
  const look::Drawing d = drawing_of(model, o);
  const look::DrawingOptions options = drawing_options(o);
  tapir::detail::OutputFile file({"plot_model", path});
  file.write(page ? look::to_page(d.title, {d}, options) : look::to_svg(d, options));
  file.commit();
}

}  // namespace tapir::nn
