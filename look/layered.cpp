#include <tapir/look/layered.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

namespace tapir::look {
namespace {

constexpr double kLineRoom = 10;  // across the layer, for a line that passes it
constexpr int kOrderSweeps = 24;

struct Edge {
  std::size_t from, to;
  double weight;  // how much it should be straight
};

// A box, or a place where a long link passes a layer. All is laid out from the top down.
struct Vertex {
  Size size;
  bool passes = false;
  std::size_t layer = 0;
  double centre = 0;
  std::vector<std::size_t> up, down;  // edges
};

class Layered {
 public:
  Layered(std::span<const Size> boxes, std::span<const std::pair<int, int>> links, const LayoutOptions& o)
      : options_(o), boxes_(boxes.size()) {
    for (auto& b : boxes) vertices_.push_back({o.left_to_right ? Size{b.height, b.width} : b, false, 0, 0, {}, {}});
    for (auto& [from, to] : links) links_.push_back({std::size_t(from), std::size_t(to)});
    turn_circles();
    assign_layers();
    make_chains();
    order();
    place();
  }

  Layout result() const {
    Layout out;
    std::vector<double> top, bottom;
    double y = 0;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      top.push_back(y);
      double height = 0;
      for (auto v : layers_[l]) height = std::max(height, vertices_[v].size.height);
      bottom.push_back(y += height);
      y += layer_gap(l);
    }
    double left = 0, right = 0;
    for (auto& v : vertices_) left = std::min(left, v.centre - v.size.width / 2);
    for (auto& v : vertices_) right = std::max(right, v.centre + v.size.width / 2 - left);
    for (std::size_t b = 0; b < boxes_; ++b) {
      const Vertex& v = vertices_[b];
      const double middle = (top[v.layer] + bottom[v.layer]) / 2;
      out.at.push_back({v.centre - v.size.width / 2 - left, middle - v.size.height / 2});
    }
    for (std::size_t k = 0; k < links_.size(); ++k) out.routes.push_back(route(k, top, bottom, out.at, left));
    out.width = right, out.height = bottom.empty() ? 0 : bottom.back();
    if (options_.left_to_right) {
      std::swap(out.width, out.height);
      for (auto& p : out.at) std::swap(p.x, p.y);
      for (auto& r : out.routes)
        for (auto& p : r) std::swap(p.x, p.y);
    }
    return out;
  }

 private:
  struct Link {
    std::size_t from, to;
    bool turned = false;
    std::vector<std::size_t> chain = {};  // edges
  };

  // A depth-first walk turns the links that lead back to where it came from.
  void turn_circles() {
    std::vector<std::vector<std::size_t>> out(boxes_);
    for (std::size_t k = 0; k < links_.size(); ++k) out[links_[k].from].push_back(k);
    enum : char { fresh, open, done };
    std::vector<char> state(boxes_, fresh);
    std::vector<std::pair<std::size_t, std::size_t>> stack;  // a box, and which of its links comes next
    for (std::size_t root = 0; root < boxes_; ++root) {
      if (state[root] != fresh) continue;
      stack.emplace_back(root, 0), state[root] = open;
      while (!stack.empty()) {
        auto& [box, next] = stack.back();
        if (next == out[box].size()) {
          state[box] = done, stack.pop_back();
          continue;
        }
        Link& link = links_[out[box][next++]];
        const std::size_t to = link.to;
        if (to == box) continue;
        if (state[to] == open) link.turned = true;
        else if (state[to] == fresh) stack.emplace_back(to, 0), state[to] = open;
      }
    }
    for (auto& l : links_)
      if (l.turned) std::swap(l.from, l.to);
  }

  void assign_layers() {
    std::vector<std::vector<std::size_t>> out(boxes_), in(boxes_);
    std::vector<std::size_t> waits(boxes_, 0);
    for (auto& l : links_)
      if (l.from != l.to) out[l.from].push_back(l.to), in[l.to].push_back(l.from), ++waits[l.to];
    std::vector<std::size_t> ready;
    for (std::size_t b = 0; b < boxes_; ++b)
      if (!waits[b]) ready.push_back(b);
    for (std::size_t i = 0; i < ready.size(); ++i)
      for (auto to : out[ready[i]]) {
        vertices_[to].layer = std::max(vertices_[to].layer, vertices_[ready[i]].layer + 1);
        if (--waits[to] == 0) ready.push_back(to);
      }
    // What depends on nothing goes next to its first reader.
    for (std::size_t b = 0; b < boxes_; ++b) {
      if (!in[b].empty() || out[b].empty()) continue;
      std::size_t first = SIZE_MAX;
      for (auto to : out[b]) first = std::min(first, vertices_[to].layer);
      vertices_[b].layer = first - 1;
    }
  }

  std::size_t add_edge(std::size_t from, std::size_t to) {
    const int passing = vertices_[from].passes + vertices_[to].passes;
    edges_.push_back({from, to, passing == 2 ? 8.0 : passing == 1 ? 2.0 : 1.0});
    vertices_[from].down.push_back(edges_.size() - 1);
    vertices_[to].up.push_back(edges_.size() - 1);
    return edges_.size() - 1;
  }

  void make_chains() {
    for (auto& l : links_) {
      if (l.from == l.to) continue;
      std::size_t at = l.from;
      for (std::size_t layer = vertices_[l.from].layer + 1; layer < vertices_[l.to].layer; ++layer) {
        vertices_.push_back({{kLineRoom, 0}, true, layer, 0, {}, {}});
        l.chain.push_back(add_edge(at, vertices_.size() - 1));
        at = vertices_.size() - 1;
      }
      l.chain.push_back(add_edge(at, l.to));
    }
  }

  std::size_t other(std::size_t edge, bool upper) const { return upper ? edges_[edge].from : edges_[edge].to; }

  // The first order: as a depth-first walk meets them.
  void first_order() {
    std::size_t count = 0;
    for (auto& v : vertices_) count = std::max(count, v.layer + 1);
    layers_.assign(vertices_.empty() ? 0 : count, {});
    std::vector<char> seen(vertices_.size(), 0);
    std::vector<std::size_t> stack;
    for (std::size_t root = 0; root < vertices_.size(); ++root) {
      if (seen[root] || !vertices_[root].up.empty()) continue;
      stack.push_back(root), seen[root] = 1;
      while (!stack.empty()) {
        const std::size_t v = stack.back();
        stack.pop_back();
        layers_[vertices_[v].layer].push_back(v);
        const auto& down = vertices_[v].down;
        for (auto e = down.rbegin(); e != down.rend(); ++e)
          if (const std::size_t to = edges_[*e].to; !seen[to]) stack.push_back(to), seen[to] = 1;
      }
    }
  }

  void number(const std::vector<std::size_t>& layer) {
    for (std::size_t i = 0; i < layer.size(); ++i) position_[layer[i]] = double(i);
  }

  // Pairs of edges between neighbouring layers that cross: inversions, by a tree of counts.
  std::int64_t crossings() const {
    std::int64_t total = 0;
    for (std::size_t l = 0; l + 1 < layers_.size(); ++l) {
      std::vector<std::size_t> ends;
      for (auto v : layers_[l]) {
        const std::size_t first = ends.size();
        for (auto e : vertices_[v].down) ends.push_back(std::size_t(position_[edges_[e].to]));
        std::sort(ends.begin() + std::ptrdiff_t(first), ends.end());
      }
      const std::size_t n = layers_[l + 1].size();
      std::vector<std::int64_t> tree(n + 1, 0);
      for (std::size_t i = 0; i < ends.size(); ++i) {
        std::int64_t not_beyond = 0;
        for (std::size_t k = ends[i] + 1; k > 0; k &= k - 1) not_beyond += tree[k];
        total += std::int64_t(i) - not_beyond;
        for (std::size_t k = ends[i] + 1; k <= n; k += k & (~k + 1)) ++tree[k];
      }
    }
    return total;
  }

  void order() {
    first_order();
    position_.assign(vertices_.size(), 0);
    for (auto& layer : layers_) number(layer);
    auto best = layers_;
    std::int64_t fewest = crossings();
    for (int sweep = 0; sweep < kOrderSweeps && fewest > 0; ++sweep) {
      const bool downwards = sweep % 2 == 0;
      for (std::size_t i = 1; i < layers_.size(); ++i) {
        auto& layer = layers_[downwards ? i : layers_.size() - 1 - i];
        std::vector<double> centre(vertices_.size(), 0);
        for (auto v : layer) {
          const auto& edges = downwards ? vertices_[v].up : vertices_[v].down;
          double sum = 0;
          for (auto e : edges) sum += position_[other(e, downwards)];
          centre[v] = edges.empty() ? position_[v] : sum / double(edges.size());
        }
        std::stable_sort(layer.begin(), layer.end(), [&](auto a, auto b) { return centre[a] < centre[b]; });
        number(layer);
      }
      if (const std::int64_t now = crossings(); now < fewest) fewest = now, best = layers_;
    }
    layers_ = best;
  }

  // Moves a layer to where its neighbours above and below want it, as near as the order and the sizes allow.
  // Gives how far something moved.
  double settle(const std::vector<std::size_t>& layer, bool by_up, bool by_down) {
    struct Block {
      double sum, weight;  // of wanted places, offsets taken off
      std::size_t count;
      double at() const { return sum / weight; }
    };
    std::vector<Block> blocks;
    std::vector<double> offsets;
    double offset = 0;
    for (std::size_t i = 0; i < layer.size(); ++i) {
      const Vertex& v = vertices_[layer[i]];
      if (i) {
        const Vertex& before = vertices_[layer[i - 1]];
        const double gap = v.passes && before.passes ? options_.gap / 3 : options_.gap;
        offset += (before.size.width + v.size.width) / 2 + gap;
      }
      offsets.push_back(offset);
      double sum = 0, weight = 0;
      auto pull = [&](const std::vector<std::size_t>& edges, bool upper) {
        for (auto e : edges) sum += edges_[e].weight * vertices_[other(e, upper)].centre, weight += edges_[e].weight;
      };
      if (by_up) pull(v.up, true);
      if (by_down) pull(v.down, false);
      if (weight == 0) sum = v.centre * (weight = 1e-3);
      blocks.push_back({sum - weight * offset, weight, 1});
      while (blocks.size() > 1 && blocks[blocks.size() - 2].at() >= blocks.back().at()) {
        const Block last = blocks.back();
        blocks.pop_back();
        blocks.back().sum += last.sum, blocks.back().weight += last.weight, blocks.back().count += last.count;
      }
    }
    double moved = 0;
    std::size_t i = 0;
    for (auto& b : blocks)
      for (std::size_t k = 0; k < b.count; ++k, ++i) {
        const double before = std::exchange(vertices_[layer[i]].centre, b.at() + offsets[i]);
        moved = std::max(moved, std::abs(vertices_[layer[i]].centre - before));
      }
    return moved;
  }

  // First from above and from below in turns, which moves things far, then by both until all is at rest.
  void place() {
    for (auto& layer : layers_) settle(layer, false, false);
    const int most = std::clamp(int(400000 / (vertices_.size() + 1)), 12, 300);
    for (int sweep = 0; sweep < most; ++sweep) {
      const bool by_both = sweep >= 6;
      double moved = 0;
      for (std::size_t i = 0; i < layers_.size(); ++i) moved = std::max(moved, settle(layers_[i], true, by_both));
      for (std::size_t i = layers_.size(); i-- > 0;) moved = std::max(moved, settle(layers_[i], by_both, true));
      if (by_both && moved < 0.02) break;
    }
  }

  // Steep lines need room.
  double layer_gap(std::size_t layer) const {
    double farthest = 0;
    for (auto v : layers_[layer])
      for (auto e : vertices_[v].down)
        farthest = std::max(farthest, std::abs(vertices_[v].centre - vertices_[edges_[e].to].centre));
    return options_.layer_gap + std::min(0.06 * farthest, 2 * options_.layer_gap);
  }

  // Where an edge meets its box: those of one side stand side by side about its middle, in the order of their far ends.
  double port(std::size_t edge, bool at_lower_end) const {
    const std::size_t v = at_lower_end ? edges_[edge].to : edges_[edge].from;
    const Vertex& box = vertices_[v];
    if (box.passes) return box.centre;
    const auto& all = at_lower_end ? box.up : box.down;
    std::size_t before = 0;
    const double mine = vertices_[other(edge, at_lower_end)].centre;
    for (auto e : all) {
      const double theirs = vertices_[other(e, at_lower_end)].centre;
      before += theirs < mine || (theirs == mine && e < edge);
    }
    const double step = std::min(18.0, box.size.width / double(all.size() + 1));
    return box.centre + step * (double(before) - double(all.size() - 1) / 2);
  }

  std::vector<Point> route(std::size_t k, const std::vector<double>& top, const std::vector<double>& bottom,
                           const std::vector<Point>& at, double left) const {
    std::vector<Point> points;
    const Link& link = links_[k];
    for (auto e : link.chain) {
      const Vertex &from = vertices_[edges_[e].from], &to = vertices_[edges_[e].to];
      const double start = from.passes ? bottom[from.layer] : at[edges_[e].from].y + from.size.height;
      const double end = to.passes ? top[to.layer] : at[edges_[e].to].y;
      points.push_back({port(e, false) - left, start});
      points.push_back({port(e, true) - left, end});
    }
    if (link.turned) std::reverse(points.begin(), points.end());
    return points;
  }

  const LayoutOptions options_;
  const std::size_t boxes_;
  std::vector<Link> links_;
  std::vector<Vertex> vertices_;
  std::vector<Edge> edges_;
  std::vector<std::vector<std::size_t>> layers_;
  std::vector<double> position_;  // in the layer
};

}  // namespace

Layout layered(std::span<const Size> boxes, std::span<const std::pair<int, int>> links, const LayoutOptions& options) {
  return Layered(boxes, links, options).result();
}

}  // namespace tapir::look
