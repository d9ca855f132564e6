#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/pairs.h>
#include <tapir/ops/tile.h>
#include <tapir/ops/tile_program.h>

#include <algorithm>

namespace tapir {
namespace {

using Pair = TilePair;

template <class... Ts>
std::span<const Pair> list_of(TypeList<Ts...>) {
  static const Pair all[] = {{&op<typename Ts::First>, &op<typename Ts::Second>, &op<Ts>, Ts::at,
                              !std::is_same_v<typename Ts::Second, vmath::fn::Subtract>}...};
  return all;
}

const Pair* pair_of(const OpDef* first, const OpDef* second, int at) {
  for (const Pair& p : list_of(vmath::fn::Pairs{}))
    if (p.first == first && p.second == second && (p.at == at || p.either)) return &p;
  return nullptr;
}

}  // namespace

const TilePair* tile_pair(const OpDef* op) {
  for (const Pair& p : list_of(vmath::fn::Pairs{}))
    if (p.both == op) return &p;
  return nullptr;
}

std::string TileProgram::text() const {
  std::string out;
  auto name = [&](const OpDef* op) { out.append(out.empty() ? "" : ", ").append(op->name); };
  for (int s = 0; s < steps; ++s) {
    const OpDef* op = step[s].op;
    for (const Pair& p : list_of(vmath::fn::Pairs{}))
      if (p.both == op) name(p.first), op = p.second;
    name(op);
  }
  if (sum != Sum::none) out.append(out.empty() ? "" : ", ").append("sum");
  return out;
}

void TileProgram::join_pairs() {
  int readers[max_steps] = {};  // of the result of a step
  auto count = [&](int reg) {
    if (reg >= sources) ++readers[reg - sources];
  };
  for (int s = 0; s < steps; ++s)
    for (int i = 0; i < arity(s); ++i) count(step[s].in[i]);
  for (int k = 0; k < sinks; ++k) count(sink[k].reg), count(sink[k].reg);  // never inside of a pair

  bool taken[max_steps] = {}, paired[max_steps] = {};
  for (int s = 0; s < steps; ++s) {
    Step& second = step[s];
    for (int i = 0; i < arity(s) && !paired[s]; ++i) {
      const int f = second.in[i] - sources;
      if (f < 0 || paired[f] || readers[f] != 1 || !is_floating(second.compute) || step[f].compute != second.compute ||
          is_half(step[f].rounds))
        continue;
      const Pair* pair = pair_of(step[f].op, second.op, i);
      if (!pair) continue;
      const std::uint8_t other = second.in[1 - i];
      const int n = arity(f);
      if (arity(s) == 2) second.in[n] = other;
      std::copy_n(step[f].in, n, second.in);
      second.op = pair->both, second.functor = nullptr;
      taken[f] = paired[s] = true;
    }
  }

  // The steps that are left move up.
  std::uint8_t now[max_sources + max_steps];
  int left = 0;
  for (int r = 0; r < sources; ++r) now[r] = std::uint8_t(r);
  for (int s = 0; s < steps; ++s) {
    if (taken[s]) continue;
    for (int i = 0; i < arity(s); ++i) step[s].in[i] = now[step[s].in[i]];
    now[sources + s] = std::uint8_t(sources + left);
    step[left++] = step[s];
  }
  steps = left;
  for (int k = 0; k < sinks; ++k) sink[k].reg = now[sink[k].reg];
}

bool TileProgram::may_overwrite(int input, int k) const {
  if (sink[k].sum || !(sink[k].shape == shape)) return false;
  const int writer = sink[k].reg - sources;
  for (int s = writer + 1; s < steps; ++s)
    for (int i = 0; i < arity(s); ++i)
      if (step[s].in[i] < sources && source[step[s].in[i]].input == input) return false;
  return true;
}

const OpDef tile_program_op = {
    .name = "fused",
    .infer =
        [](Inputs, Attrs attrs, Specs& out) {
          const TileProgram& p = *attrs.as<TileProgramAttrs>().program;
          for (int k = 0; k < p.sinks; ++k) out.push_back({p.sink[k].shape, p.stored_dtype(p.sink[k].reg)});
        },
    .kernel = {cpu::tile_program},
    .attrs = &attrs_type<TileProgramAttrs>,
};

}  // namespace tapir
