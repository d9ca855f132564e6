// How the functor of a row is spelled in C++.
#include <tapir/backends/cuda/tile_text.h>
#include <tapir/ops/functors/activation.h>
#include <tapir/ops/functors/arithmetic.h>
#include <tapir/ops/functors/compare.h>
#include <tapir/ops/functors/each_row.h>
#include <tapir/ops/functors/math.h>
#include <tapir/ops/tile.h>

#include <string_view>
#include <unordered_map>

namespace tapir::cuda {
namespace {

using namespace vmath::fn;

template <class F>
std::string spelled() {
  const std::string_view here = __PRETTY_FUNCTION__, mark = "F = ";
  const std::size_t begin = here.find(mark) + mark.size();
  return std::string(here.substr(begin, here.find_first_of(";]", begin) - begin));
}

using Table = std::unordered_map<std::string_view, FunctorType>;

template <class List>
void put_all(List functors, Table& table) {
  each_row(functors, [&]<class F>() {
    table.emplace(functor_name<F>.data(), FunctorType{spelled<F>(), std::is_empty_v<F> ? 0 : int(sizeof(F))});
  });
}

}  // namespace

const FunctorType* functor_type(const OpDef& op) {
  static const auto* table = [] {
    auto* t = new Table;
    put_all(ArithmeticOps{}, *t), put_all(ActivationOps{}, *t), put_all(MathOps{}, *t), put_all(TrigonometryOps{}, *t);
    put_all(SpecialOps{}, *t), put_all(CompareOps{}, *t), put_all(BitOps{}, *t);
    return t;
  }();
  const auto found = table->find(op.name);
  return found == table->end() ? nullptr : &found->second;
}

}  // namespace tapir::cuda
