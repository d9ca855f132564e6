#include <tapir/backends/cuda/fused_args.h>
#include <tapir/backends/cuda/tile_text.h>

namespace tapir::cuda {
namespace {

const char* type_text(DType d) {
  static constexpr const char* names[dtype_count] = {"float",        "double",       "float16",      "bfloat16",
                                                     "std::int8_t",  "std::uint8_t", "std::int16_t", "std::int32_t",
                                                     "std::int64_t", "bool"};
  return names[int(d)];
}
std::string reg(int r) { return "r" + std::to_string(r); }
std::string lane(DType d) { return std::string("Lane<") + type_text(d) + ">"; }

class Writer {
 public:
  Writer(const TileProgram& p, const TileLayout& layout, int (&attrs)[TileProgram::max_steps])
      : p_(p), layout_(layout), attrs_(attrs) {}

  // False: a step has no text.
  bool write() {
    walk();
    for (int k = 0; k < p_.sources; ++k) source(k);
    for (int s = 0; s < p_.steps; ++s)
      if (!step(s)) return false;
    int sums = 0;
    std::string places;
    for (int k = 0; k < p_.sinks; ++k) {
      if (p_.sink[k].sum) places += (sums ? ", " : "") + std::to_string(k);
      sink(k, sums);
    }
    text_ = "namespace tapir::cuda {\nconstexpr int kSums = " + std::to_string(sums) +
            ";\nconstexpr bool kOverInner = " + (p_.sum == TileProgram::Sum::over_inner ? "true" : "false") +
            ";\nconstexpr int kSumSink[] = {" + (sums ? places : "0") +
            "};\nusing tapir::detail::cast_one;\n"
            "template <class F> TAPIR_HD const F& functor(const FusedArgs& a, int at) { return "
            "*reinterpret_cast<const F*>(a.functors + at); }\n"
            "struct Body {\n  static TAPIR_HD void run(const FusedArgs& a, std::int64_t i, double* sums) {\n" +
            text_ + "  }\n};\n}\n";
    return true;
  }
  std::string text() && { return std::move(text_); }

 private:
  void line(const std::string& text) { text_ += "    " + text + "\n"; }

  // Where the strided sources have element i.
  void walk() {
    bool any = false;
    for (int k = 0; k < p_.sources; ++k) {
      if (layout_.read[k] != Read::strided) continue;
      line("std::int64_t at" + std::to_string(k) + " = 0;");
      any = true;
    }
    if (!any) return;
    const bool narrow = p_.shape.size() <= 0x7fffffff;
    const std::string index = narrow ? "std::uint32_t" : "std::uint64_t";
    line(index + " rest = " + index + "(i), n, at;");
    for (int d = layout_.rank - 1; d >= 0; --d) {
      const std::string dim = "[" + std::to_string(d) + "]";
      line("n = " + index + "(a.size" + dim + "); at = " + (d ? "rest % n; rest /= n;" : "rest;"));
      for (int k = 0; k < p_.sources; ++k)
        if (layout_.read[k] == Read::strided)
          line("at" + std::to_string(k) + " += std::int64_t(at) * a.step[" + std::to_string(k) + "]" + dim + ";");
    }
  }

  void source(int k) {
    const DType to = p_.source[k].to;
    const std::string number = std::to_string(k), begin = "const " + lane(to) + " " + reg(k) + "(";
    if (layout_.read[k] == Read::number)
      return line(begin + "*reinterpret_cast<const " + type_text(to) + "*>(&a.number[" + number + "]));");
    const std::string place = layout_.read[k] == Read::dense ? "i" : layout_.read[k] == Read::one ? "0" : "at" + number;
    line(begin + "cast_one<" + type_text(to) + ">(static_cast<const " + type_text(layout_.from[k]) + "*>(a.in[" +
         number + "])[" + place + "]));");
  }

  // A call of the functor of `op` on these registers; empty if it has no text.
  std::string call(const OpDef& op, const std::vector<std::string>& in, int s) {
    const FunctorType* f = functor_type(op);
    if (!f) return "";
    std::string arguments;
    for (auto& r : in) arguments += (arguments.empty() ? "" : ", ") + r;
    attrs_[s] = -1;
    if (f->bytes == 0 || !p_.step[s].functor || tile_pair(p_.step[s].op))
      return f->name + "{}.value(" + arguments + ")";
    attrs_[s] = bytes_;
    bytes_ += (f->bytes + 7) / 8 * 8;
    if (bytes_ > FusedArgs::max_bytes) return "";
    return "functor<" + f->name + ">(a, " + std::to_string(attrs_[s]) + ").value(" + arguments + ")";
  }

  bool step(int s) {
    const TileProgram::Step& step = p_.step[s];
    std::vector<std::string> in;
    for (int i = 0; i < p_.arity(s); ++i) in.push_back(reg(step.in[i]));
    const DType type = p_.dtype_of(p_.sources + s);
    std::string value;
    attrs_[s] = -1;
    if (!step.op->tile) {
      value = std::string("cast_one<") + type_text(step.compute) + ">(" + in[0] + ".v)";
    } else if (const TilePair* pair = tile_pair(step.op)) {  // two ops in one, for the CPU's sake
      const auto n = std::size_t(pair->first->tile->arity);
      const std::string middle = "m" + std::to_string(s);
      const std::string first = call(*pair->first, {in.begin(), in.begin() + std::ptrdiff_t(n)}, s);
      if (first.empty()) return false;
      line("const " + lane(step.compute) + " " + middle + "(" + first + ");");
      std::vector<std::string> next = {middle};
      if (in.size() > n) next.insert(pair->at ? next.begin() : next.end(), in[n]);
      value = call(*pair->second, next, s);
    } else {
      value = call(*step.op, in, s);
    }
    if (value.empty()) return false;
    const std::string r = reg(p_.sources + s);
    if (!is_half(step.rounds)) return line("const " + lane(type) + " " + r + "(" + value + ");"), true;
    line("const " + lane(type) + " wide_" + r + "(" + value + ");");
    line("const " + lane(type) + " " + r + "(float(" + type_text(step.rounds) + "(wide_" + r + ".v)));");
    return true;
  }

  void sink(int k, int& sums) {
    const std::string v = reg(p_.sink[k].reg) + ".v";
    if (p_.sink[k].sum) return line("sums[" + std::to_string(sums++) + "] += double(" + v + ");");
    const std::string type = type_text(p_.stored_dtype(p_.sink[k].reg));
    line("static_cast<" + type + "*>(a.out[" + std::to_string(k) + "])[i] = cast_one<" + type + ">(" + v + ");");
  }

  const TileProgram& p_;
  const TileLayout& layout_;
  int (&attrs_)[TileProgram::max_steps];
  int bytes_ = 0;
  std::string text_;
};

}  // namespace

std::string tile_text(const TileProgram& p, const TileLayout& layout, int (&attrs)[TileProgram::max_steps]) {
  Writer writer(p, layout, attrs);
  if (!writer.write()) return "";
  return functor_texts + std::move(writer).text() + fused_kernel_text;
}

}  // namespace tapir::cuda
