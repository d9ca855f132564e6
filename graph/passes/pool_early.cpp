// Bias and activation of pooled values instead of all values: max_pool(relu(x + b)) is relu(max_pool(x) + b), for these
// functions grow with x. The gradients move alike, so that what is behind them works on the pooled values too. Of
// several places in a window that rounding makes equal another one may get the gradient.
#include <tapir/graph/passes/pattern.h>
#include <tapir/ops/pool_attrs.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/shape_attrs.h>

#include <algorithm>

namespace tapir::graph {
namespace {

// Functions that grow, and whose gradient reads the result alone.
const char* gradient_of(const Node& n) {
  static const char* const names[][2] = {
      {"relu", "relu_grad"}, {"relu6", "relu6_grad"}, {"sigmoid", "sigmoid_grad"}, {"tanh", "tanh_grad"}};
  for (auto& [name, grad] : names)
    if (is(n, name)) return grad;
  return nullptr;
}

// Is `b` one number for all pixels of a channel?
bool per_channel(const Graph& g, int b, const Shape& x) {
  const Shape& s = g.spec(b).shape;
  for (int i = 0; i + 1 < s.rank(); ++i)
    if (s[i] != 1) return false;
  return s.rank() <= x.rank();
}

// x -> [reshape] -> max_pool, and on the way back max_pool_grad -> [reshape], each the only reader of the one before.
struct Pool {
  int into = -1, pool = -1;               // nodes; no reshape where x has depth itself
  std::vector<std::pair<int, int>> back;  // max_pool_grad, and its reshape or -1
};

class Rewriter {
 public:
  explicit Rewriter(Graph& g) : g_(g), links_(g) {}

  bool run() {
    for (int i = 0; i < int(g_.nodes.size()); ++i)
      if (is(node(i), "max_pool") && (activation(i) || bias(i) || sums(i) || unread_winners(i))) return true;
    return false;
  }

 private:
  Node& node(int i) { return g_.nodes[std::size_t(i)]; }
  int new_value(Spec s) { return g_.add(s); }

  // The node before a pool that is seen through the reshape to five dimensions.
  bool find(int pool, Pool& p) {
    p.pool = pool;
    p.into = links_.producer(node(pool).in[0], "reshape");
    if (p.into >= 0 && links_.only_reader(node(pool).in[0]) != pool) return false;
    if (node(pool).out.size() < 2) return true;
    for (int r : links_.readers(node(pool).out[1])) {
      if (r < 0 || !is(node(r), "max_pool_grad")) return false;
      p.back.emplace_back(r, links_.only_reader(node(r).out[0], "reshape"));
    }
    return true;
  }
  int before(const Pool& p) { return p.into >= 0 ? node(p.into).in[0] : node(p.pool).in[0]; }

  // The values that lead to `value` by the way back: its gradient at the pool's input.
  bool comes_back(const Pool& p, int value, std::pair<int, int>& found) {
    for (auto& b : p.back)
      if (value == (b.second >= 0 ? node(b.second).out[0] : node(b.first).out[0])) return found = b, true;
    return false;
  }

  // max_pool(f(x)) -> f(max_pool(x))
  bool activation(int pool) {
    Pool p;
    if (!find(pool, p)) return false;
    const int y = before(p), f = links_.producer(y);
    if (f < 0 || !node(f).op->tile || !gradient_of(node(f))) return false;
    const char* grad = gradient_of(node(f));
    if (!(g_.spec(node(f).in[0]).dtype == g_.spec(y).dtype)) return false;
    std::vector<std::pair<int, std::pair<int, int>>> grads;  // f's gradient, and the way back that it reads
    for (int r : links_.readers(y)) {
      if (r == (p.into >= 0 ? p.into : pool)) continue;
      std::pair<int, int> b;
      if (r < 0 || !is(node(r), grad) || node(r).in[1] != y || !comes_back(p, node(r).in[0], b)) return false;
      if (links_.only_reader(node(r).in[0]) != r ||
          (b.second >= 0 && links_.only_reader(node(b.first).out[0]) != b.second))
        return false;
      grads.emplace_back(r, b);
    }
    if (grads.size() != p.back.size()) return false;

    const Node fn = node(f);
    rewire_input(p, fn.in[0]);
    const int pooled = node(pool).out[0], raw = new_value(g_.spec(pooled));
    node(pool).out[0] = raw;
    Node after = fn;
    after.in[0] = raw, after.out[0] = pooled;
    insert_after(pool, after);
    for (auto& [r, b] : grads) {  // f_grad(reshape(max_pool_grad(d)), y) -> reshape(max_pool_grad(f_grad(d, pooled)))
      Node first = node(r);
      const int result = node(r).out[0], d = new_value(g_.spec(node(b.first).in[0]));
      first.in = {node(b.first).in[0], pooled};
      first.out = {d};
      insert_before(b.first, first);
      node(b.first).in[0] = d;
      rename(result, node(r).in[0]);
      dead_.push_back(r);
    }
    finish();
    return true;
  }

  // max_pool(x + b) -> max_pool(x) + b
  bool bias(int pool) {
    Pool p;
    if (!find(pool, p)) return false;
    const int y = before(p), add = links_.producer(y, "add");
    if (add < 0 || links_.readers(y).size() != 1) return false;
    const Shape& x = g_.spec(y).shape;
    int side = -1;
    for (int k = 0; k < 2; ++k)
      if (g_.spec(node(add).in[std::size_t(k)]).shape == x &&
          g_.spec(node(add).in[std::size_t(k)]).dtype == g_.spec(y).dtype &&
          per_channel(g_, node(add).in[std::size_t(1 - k)], x))
        side = k;
    if (side < 0 || is_half(g_.spec(y).dtype)) return false;
    const Node sum = node(add);
    rewire_input(p, sum.in[std::size_t(side)]);
    const int pooled = node(pool).out[0], raw = new_value(g_.spec(pooled));
    node(pool).out[0] = raw;
    Node after = sum;
    after.in[std::size_t(side)] = raw, after.out[0] = pooled;
    insert_after(pool, after);
    finish();
    return true;
  }

  // Sums over all pixels of what goes back: each pooled gradient is in there once.
  bool sums(int pool) {
    Pool p;
    if (!find(pool, p)) return false;
    for (auto& b : p.back) {
      const int dx = b.second >= 0 ? node(b.second).out[0] : node(b.first).out[0];
      for (int r : links_.readers(dx)) {
        if (r < 0 || !is(node(r), "sum")) continue;
        const ReduceAttrs a = node(r).attrs.get().as<ReduceAttrs>();
        const int rank = g_.spec(dx).shape.rank();
        bool pixels = a.axes.rank() == rank - 1;
        for (auto axis : a.axes) pixels &= axis < rank - 1;
        if (!pixels) continue;
        const int d = node(b.first).in[0], total = node(r).out[0];
        Node sum = node(r);
        Shape five{1, 1, 1, 1, g_.spec(d).shape.back()};
        const int small = new_value({five, g_.spec(d).dtype});
        sum.in = {d}, sum.out = {small};
        sum.attrs = OwnAttrs(ReduceAttrs{{0, 1, 2, 3}, true});
        Node shape = node(r);
        shape.op = find_op("reshape");
        shape.attrs = OwnAttrs(ShapeAttrs{g_.spec(total).shape});
        shape.in = {small};
        node(r) = shape;
        insert_before(r, sum);
        finish();
        return true;
      }
    }
    return false;
  }

  bool unread_winners(int pool) {
    Node& n = node(pool);
    if (n.out.size() < 2 || !links_.readers(n.out[1]).empty()) return false;
    PoolAttrs a = n.attrs.get().as<PoolAttrs>();
    a.winners = false;
    n.attrs = OwnAttrs(a);
    n.out.resize(1);
    return true;
  }

  // The pool, and the reshape before it, read `value` instead.
  void rewire_input(const Pool& p, int value) {
    if (p.into < 0) node(p.pool).in[0] = value;
    else node(p.into).in[0] = value;
  }
  void insert_before(int at, Node n) { inserted_.emplace_back(at, std::move(n)); }
  void insert_after(int at, Node n) { inserted_.emplace_back(at + 1, std::move(n)); }
  // Readers of `value` read `now`.
  void rename(int value, int now) {
    for (auto& n : g_.nodes)
      for (int& v : n.in)
        if (v == value) v = now;
    for (int& v : g_.outputs)
      if (v == value) v = now;
  }
  void finish() {
    std::stable_sort(inserted_.begin(), inserted_.end(), [](auto& a, auto& b) { return a.first < b.first; });
    std::vector<Node> nodes;
    std::size_t k = 0;
    for (int i = 0; i <= int(g_.nodes.size()); ++i) {
      for (; k < inserted_.size() && inserted_[k].first == i; ++k) nodes.push_back(std::move(inserted_[k].second));
      if (i < int(g_.nodes.size()) && std::find(dead_.begin(), dead_.end(), i) == dead_.end())
        nodes.push_back(std::move(node(i)));
    }
    g_.nodes = std::move(nodes);
  }

  Graph& g_;
  Links links_;
  std::vector<std::pair<int, Node>> inserted_;
  std::vector<int> dead_;
};

}  // namespace

Graph pool_early(Graph g) {
  while (Rewriter(g).run()) g = prune(std::move(g));
  return g;
}

}  // namespace tapir::graph
