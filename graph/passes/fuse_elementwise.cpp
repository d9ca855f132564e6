// Elementwise ops of one shape that feed each other become one tile program, with the sums of what they give.
//
// Groups grow in program order: a node joins the groups of its producers unless that would close a cycle, that is
// unless some path from a group to the node leads outside of it.
#include <tapir/graph/passes/pattern.h>
#include <tapir/graph/settled.h>
#include <tapir/ops/reduce_attrs.h>
#include <tapir/ops/tile_program.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>

namespace tapir::graph {
namespace {

// Halves are in registers as f32.
DType in_register(DType d) { return is_half(d) ? DType::f32 : d; }

// What a fused node owns.
struct Fused {
  TileProgram program;
  std::vector<OwnAttrs> attrs;
};

bool is_cast(const Node& n) { return is(n, "astype"); }

bool elementwise(const Graph& g, const Node& n) {
  if (!n.op->tile && !is_cast(n)) return false;
  const DType to = g.spec(n.out[0]).dtype;
  if (is_cast(n)) {  // other numbers become halves without being f32 first
    const DType from = g.spec(n.in[0]).dtype;
    if (is_half(from) ? to != DType::f32 : is_half(to) && from != DType::f32) return false;
  }
  return g.spec(n.out[0]).shape.size() > 0;
}

// A sum over the leading or the trailing axes of its operand, as a tile program can add it up.
bool tile_sum(const Graph& g, const Node& n, TileProgram::Sum& kind, std::int64_t& outer, std::int64_t& inner) {
  if (!is(n, "sum")) return false;
  const Spec& x = g.spec(n.in[0]);
  if ((x.dtype != DType::f32 && x.dtype != DType::f64) || x.shape.size() == 0) return false;
  const Shape& axes = n.attrs.get().as<ReduceAttrs>().axes;
  std::vector<char> gone(std::size_t(x.shape.rank()), 0);
  for (auto a : axes) gone[std::size_t(a)] = 1;
  // Sizes of 1 count for either side.
  std::vector<std::pair<std::int64_t, char>> dims;
  for (int i = 0; i < x.shape.rank(); ++i)
    if (x.shape[i] != 1) dims.emplace_back(x.shape[i], gone[std::size_t(i)]);
  if (dims.empty() || axes.empty()) return false;
  outer = inner = 1;
  std::size_t i = 0;
  for (; i < dims.size() && dims[i].second == dims[0].second; ++i) outer *= dims[i].first;
  for (; i < dims.size(); ++i) {
    if (dims[i].second == dims[0].second) return false;
    inner *= dims[i].first;
  }
  kind = dims[0].second ? TileProgram::Sum::over_outer : TileProgram::Sum::over_inner;
  if (inner == 1) {
    if (!dims[0].second) return false;  // sums over sizes of 1 alone
    std::swap(outer, inner);            // all of it: one row
    kind = TileProgram::Sum::over_inner;
  }
  // Partial results of wide columns would cost more than the pass over memory that is saved.
  return kind == TileProgram::Sum::over_inner || inner <= 4096;
}

struct Group {
  Shape shape;
  std::vector<int> nodes;  // in program order
  int steps = 0;
  TileProgram::Sum sum = TileProgram::Sum::none;
  std::int64_t outer = 1, inner = 1;
};

class Fuser {
 public:
  explicit Fuser(Graph g)
      : g_(std::move(g)), by_(producers(g_)), group_(g_.nodes.size(), -1), settled_(settled_nodes(g_)) {}

  Graph run() {
    for (int i = 0; i < int(g_.nodes.size()); ++i) place(i);
    return emit();
  }

 private:
  Node& node(int i) { return g_.nodes[std::size_t(i)]; }
  int& group(int i) { return group_[std::size_t(i)]; }
  int producer(int value) const { return by_[std::size_t(value)]; }

  // The operands of a group's node: what was broadcast comes as it was.
  int through_views(int value) {
    for (int p; (p = producer(value)) >= 0 && is(node(p), "broadcast_to");) value = node(p).in[0];
    return value;
  }

  // Does a path lead from outside of the groups in `inside`, where it starts at some node of them, to one of `from`?
  bool closes_cycle(const std::vector<int>& from, const std::set<int>& inside) {
    std::vector<char> seen(g_.nodes.size(), 0);
    std::vector<int> open;
    auto visit = [&](int value) {
      const int p = producer(value);
      if (p >= 0 && !seen[std::size_t(p)]) seen[std::size_t(p)] = 1, open.push_back(p);
    };
    for (int i : from)
      for (int v : node(i).in) {
        const int p = producer(v);
        if (p < 0 || (group(p) >= 0 && inside.contains(group(p)) && !is(node(p), "sum"))) continue;  // a direct edge
        visit(v);
      }
    while (!open.empty()) {
      const int p = open.back();
      open.pop_back();
      if (group(p) < 0) {
        for (int v : node(p).in) visit(v);
        continue;
      }
      if (inside.contains(group(p))) return true;
      for (int m : groups_[std::size_t(group(p))].nodes) {
        seen[std::size_t(m)] = 1;
        for (int v : node(m).in) visit(v);
      }
    }
    return false;
  }

  void place(int i) {
    Group mine;
    TileProgram::Sum kind;
    std::int64_t outer, inner;
    if (elementwise(g_, node(i))) {
      mine.shape = g_.spec(node(i).out[0]).shape;
      mine.steps = 1;
    } else if (tile_sum(g_, node(i), kind, outer, inner)) {
      mine.shape = g_.spec(node(i).in[0]).shape;
      mine.sum = kind, mine.outer = outer, mine.inner = inner;
    } else {
      return;
    }
    mine.nodes = {i};
    std::set<int> joined;
    for (int v : node(i).in) {
      const int p = producer(v);
      if (p < 0 || group(p) < 0 || is(node(p), "sum") || joined.contains(group(p))) continue;
      if (settled_[std::size_t(p)] != settled_[std::size_t(i)]) continue;  // what is computed once stays apart
      const Group& other = groups_[std::size_t(group(p))];
      if (!(other.shape == mine.shape) || other.steps + mine.steps > TileProgram::max_steps) continue;
      const bool sums = other.sum != TileProgram::Sum::none && mine.sum != TileProgram::Sum::none;
      if (sums && (other.sum != mine.sum || other.outer != mine.outer || other.inner != mine.inner)) continue;
      std::set<int> all = joined;
      all.insert(group(p));
      std::vector<int> members{i};
      for (int k : all)
        members.insert(members.end(), groups_[std::size_t(k)].nodes.begin(), groups_[std::size_t(k)].nodes.end());
      if (closes_cycle(members, all) || !fits(members)) continue;
      joined = all;
      mine.steps += other.steps;
      mine.nodes.insert(mine.nodes.end(), other.nodes.begin(), other.nodes.end());
      if (mine.sum == TileProgram::Sum::none) mine.sum = other.sum, mine.outer = other.outer, mine.inner = other.inner;
    }
    if (mine.steps == 0) return;  // a sum of something that is not computed in tiles
    std::sort(mine.nodes.begin(), mine.nodes.end());
    for (int k : joined) groups_[std::size_t(k)] = {};
    for (int m : mine.nodes) group(m) = int(groups_.size());
    groups_.push_back(std::move(mine));
  }

  bool fits(const std::vector<int>& members) {
    std::set<int> in, made;
    int sums = 0;
    for (int m : members) {
      for (int v : node(m).in) in.insert(through_views(v));
      if (is(node(m), "sum")) ++sums;
      else made.insert(node(m).out[0]);
    }
    // Registers are read as they are: in the dtype that made them, not broadcast on the way.
    for (int m : members) {
      const Node& x = node(m);
      for (std::size_t k = 0; k < x.in.size(); ++k) {
        const int v = x.in[k];
        if (!made.contains(v) && made.contains(through_views(v))) return false;
        if (made.contains(v) && !is(x, "sum") && in_register(g_.spec(v).dtype) != operand_dtype(x, k, computed_in(x)))
          return false;
      }
    }
    int sources = 0, sinks = sums;
    for (int v : in) sources += !made.contains(v);
    const auto uses = outside_uses(members);
    for (int v : made) sinks += uses.contains(v);
    return 2 * sources <= TileProgram::max_sources && sinks <= TileProgram::max_sinks;
  }

  // Which values of the members somebody else reads.
  std::set<int> outside_uses(const std::vector<int>& members) {
    if (readers_.empty()) {
      readers_.resize(g_.values.size());
      for (int i = 0; i < int(g_.nodes.size()); ++i)
        for (int v : node(i).in) readers_[std::size_t(v)].push_back(i);
      for (int v : g_.outputs) readers_[std::size_t(v)].push_back(-1);
    }
    std::set<int> out;
    for (int m : members)
      for (int v : node(m).out)
        for (int r : readers_[std::size_t(v)])
          if (std::find(members.begin(), members.end(), r) == members.end()) out.insert(v);
    return out;
  }

  // The node that does what a group did.
  Node fused(const Group& group) {
    auto own = std::make_shared<Fused>();
    TileProgram& p = own->program;
    p.shape = group.shape;
    p.sum = group.sum, p.outer = group.outer, p.inner = group.inner;
    Node n;
    n.op = &tile_program_op;
    n.where = node(group.nodes.back()).where;
    own->attrs.reserve(group.nodes.size());

    // Sources first, for the registers of steps come after them.
    std::set<int> made;
    for (int m : group.nodes)
      if (!is(node(m), "sum")) made.insert(node(m).out[0]);
    std::map<std::pair<int, DType>, int> source;  // by value and dtype
    std::vector<DType> computes;
    for (int m : group.nodes) {
      const Node& x = node(m);
      computes.push_back(DType::f32);
      if (is(x, "sum")) continue;
      computes.back() = computed_in(x);
      for (std::size_t k = 0; k < x.in.size(); ++k) {
        if (made.contains(x.in[k])) continue;
        const int v = through_views(x.in[k]);
        const DType to = operand_dtype(x, k, computes.back());
        if (!source.emplace(std::pair(v, to), p.sources).second) continue;
        auto at = std::find(n.in.begin(), n.in.end(), v);
        if (at == n.in.end()) at = n.in.insert(n.in.end(), v);
        p.source[p.sources++] = {std::uint8_t(at - n.in.begin()), to};
      }
    }
    std::map<int, int> reg;  // of the values made
    for (std::size_t at = 0; at < group.nodes.size(); ++at) {
      const Node& x = node(group.nodes[at]);
      n.note += n.note.empty() ? x.op->name : fmt::format(", {}", x.op->name);
      if (is(x, "sum")) continue;
      TileProgram::Step& s = p.step[p.steps];
      own->attrs.push_back(x.attrs);
      s.op = x.op, s.functor = own->attrs.back().get().data(), s.compute = s.rounds = computes[at];
      if (is_half(g_.spec(x.out[0]).dtype)) s.rounds = g_.spec(x.out[0]).dtype;
      for (std::size_t k = 0; k < x.in.size(); ++k) {
        auto it = reg.find(x.in[k]);
        s.in[k] = std::uint8_t(
            it != reg.end() ? it->second : source.at({through_views(x.in[k]), operand_dtype(x, k, computes[at])}));
      }
      reg[x.out[0]] = p.sources + p.steps++;
    }
    const std::set<int> uses = outside_uses(group.nodes);
    for (int m : group.nodes) {
      const Node& x = node(m);
      const int v = x.out[0];
      const bool sum = is(x, "sum");
      if (!sum && !uses.contains(v)) continue;
      p.sink[p.sinks++] = {std::uint8_t(reg.at(sum ? x.in[0] : v)), sum, g_.spec(v).shape};
      n.out.push_back(v);
    }
    p.join_pairs();
    assign_slots(p);
    n.attrs = OwnAttrs(TileProgramAttrs{&p, next_number()});
    n.keep = own;
    return n;
  }

  static std::int64_t next_number() {
    static std::atomic<std::int64_t> n{0};
    return ++n;
  }

  DType computed_in(const Node& n) const {
    if (!n.op->tile || !n.op->tile->bool_result) return in_register(g_.spec(n.out[0]).dtype);
    std::vector<Tensor> in;
    for (int v : n.in) in.push_back(stand_in(g_.values[std::size_t(v)]));
    auto refs = refs_of(in);
    return in_register(compute_dtype(*n.op, Inputs(refs)));
  }

  DType operand_dtype(const Node& n, std::size_t k, DType compute) const {
    if (is_cast(n)) return in_register(g_.spec(n.in[k]).dtype);
    return k == 0 && n.op->tile->first_is_bool ? DType::boolean : compute;
  }

  // Slots for the results that no sink stores as they are, each free again after its last reader. Sums and halves are
  // read at the end.
  static void assign_slots(TileProgram& p) {
    std::vector<int> last(std::size_t(p.steps), -1);  // step that reads the result of a step
    for (int s = 0; s < p.steps; ++s)
      for (int i = 0; i < p.arity(s); ++i)
        if (p.step[s].in[i] >= p.sources) last[std::size_t(p.step[s].in[i] - p.sources)] = s;
    std::vector<char> stored(std::size_t(p.steps), 0);
    for (int k = 0; k < p.sinks; ++k) {
      const auto s = std::size_t(p.sink[k].reg - p.sources);
      if (p.sink[k].sum || is_half(p.step[s].rounds)) last[s] = p.steps;
      else stored[s] = 1;
    }
    struct Slot {
      int until;
      std::size_t item;
    };
    std::vector<Slot> slots;
    for (int s = 0; s < p.steps; ++s) {
      p.step[s].slot = TileProgram::no_slot;
      if (stored[std::size_t(s)]) continue;
      const std::size_t item = size_of(p.dtype_of(p.sources + s));
      // A step may write over an operand of the same size that it reads last.
      auto free = std::find_if(slots.begin(), slots.end(),
                               [&](Slot x) { return x.until < s || (x.until == s && x.item == item); });
      if (free == slots.end()) free = slots.insert(free, Slot{});
      *free = {std::max(last[std::size_t(s)], s + 1), item};
      p.step[s].slot = std::uint8_t(free - slots.begin());
    }
    p.slots = int(slots.size());
  }

  // Alone a node is as good as a program, but where a convolution or product may take it along.
  bool worth_it(const Group& group) {
    if (group.nodes.size() > 1) return true;
    for (int v : node(group.nodes[0]).in)
      if (const int p = producer(v); p >= 0 && takes_epilogue(g_, node(p))) return true;
    return false;
  }

  // Groups and other nodes in an order in which values are made before they are read; effects keep theirs.
  Graph emit() {
    // One unit a group, or a node without; known by its first node.
    std::vector<int> unit(g_.nodes.size());
    for (int i = 0; i < int(g_.nodes.size()); ++i) {
      unit[std::size_t(i)] = i;
      if (group(i) >= 0) unit[std::size_t(i)] = groups_[std::size_t(group(i))].nodes[0];
    }
    std::vector<std::set<int>> needs(g_.nodes.size()), feeds(g_.nodes.size());
    int effect = -1;
    for (int i = 0; i < int(g_.nodes.size()); ++i) {
      const int u = unit[std::size_t(i)];
      auto need = [&](int p) {
        if (p >= 0 && unit[std::size_t(p)] != u)
          needs[std::size_t(u)].insert(unit[std::size_t(p)]), feeds[std::size_t(unit[std::size_t(p)])].insert(u);
      };
      for (int v : node(i).in) need(producer(v));
      if (node(i).op->effect) need(effect), effect = i;
    }
    std::set<int> ready;
    std::vector<std::size_t> waits(g_.nodes.size());
    for (int i = 0; i < int(g_.nodes.size()); ++i) {
      if (unit[std::size_t(i)] != i) continue;
      waits[std::size_t(i)] = needs[std::size_t(i)].size();
      if (!waits[std::size_t(i)]) ready.insert(i);
    }
    std::vector<Node> nodes;
    while (!ready.empty()) {
      const int u = *ready.begin();
      ready.erase(ready.begin());
      const Group* group = group_[std::size_t(u)] >= 0 ? &groups_[std::size_t(group_[std::size_t(u)])] : nullptr;
      nodes.push_back(group && worth_it(*group) ? fused(*group) : node(u));
      for (int f : feeds[std::size_t(u)])
        if (!--waits[std::size_t(f)]) ready.insert(f);
    }
    g_.nodes = std::move(nodes);
    return prune(std::move(g_));  // of what was broadcast
  }

  Graph g_;
  std::vector<int> by_, group_;
  std::vector<char> settled_;
  std::vector<Group> groups_;
  std::vector<std::vector<int>> readers_;
};

}  // namespace

Graph fuse_elementwise(Graph g) { return Fuser(std::move(g)).run(); }

}  // namespace tapir::graph
