// What TensorFlow gives (test/golden/conv.*, made by make_golden.py in f64): values and gradients, f32 and f64.
#include <doctest/doctest.h>
#include <tapir/io/npy.h>
#include <tapir/tapir.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <fstream>

using namespace tapir;
using nlohmann::json;

namespace {

const char* const kFolder = std::getenv("TAPIR_SOURCE_DIR");

Shape shape_of(const json& list) { return Shape(list.get<std::vector<std::int64_t>>()); }

Padding padding_of(const json& attrs) {
  if (attrs["padding"] == "same") return Padding::same;
  if (attrs["padding"] == "valid") return Padding::valid;
  auto e = attrs["explicit_paddings"].get<std::vector<std::vector<std::int64_t>>>();
  REQUIRE(e.size() == 2);
  return {{e[0][0], e[0][1]}, {e[1][0], e[1][1]}};
}

Tensor run(const json& c, const std::vector<Tensor>& in) {
  const json& a = c["attrs"];
  const std::string op = c["op"], format = a["data_format"];
  const DataFormat layout = format[1] == 'C' ? DataFormat::channels_first : DataFormat::channels_last;
  if (op.ends_with("_transpose")) {
    ConvTransposeOptions o{.strides = shape_of(a["strides"]),
                           .padding = padding_of(a),
                           .dilations = shape_of(a["dilations"]),
                           .data_format = layout};
    if (a.contains("output_padding")) o.output_padding = {a["output_padding"].get<std::int64_t>()};
    return op[4] == '1'   ? conv1d_transpose(in[0], in[1], o)
           : op[4] == '2' ? conv2d_transpose(in[0], in[1], o)
                          : conv3d_transpose(in[0], in[1], o);
  }
  ConvOptions o{.strides = shape_of(a["strides"]),
                .padding = padding_of(a),
                .dilations = shape_of(a["dilations"]),
                .groups = a.value("groups", std::int64_t(1)),
                .data_format = layout};
  if (op == "depthwise_conv2d") return depthwise_conv2d(in[0], in[1], o);
  if (op == "separable_conv2d") return separable_conv2d(in[0], in[1], in[2], o);
  return op == "conv1d" ? conv1d(in[0], in[1], o) : op == "conv2d" ? conv2d(in[0], in[1], o) : conv3d(in[0], in[1], o);
}

}  // namespace

TEST_CASE("values and gradients are TensorFlow's") {
  REQUIRE(kFolder);
  const std::string at = std::string(kFolder) + "/test/golden/conv";
  const json cases = json::parse(std::ifstream(at + ".json"));
  const io::NamedTensors arrays = io::load_npz(at + ".npz");
  REQUIRE(cases.size() > 50);
  for (DType dtype : {DType::f64, DType::f32})
    for (auto algorithm : {ConvAlgorithm::automatic, ConvAlgorithm::im2col})
      for (auto& c : cases) {
        const std::string name = c["name"];
        INFO(name << ", " << name_of(dtype) << ", " << name_of(algorithm));
        auto field = [&](const std::string& f) { return io::find(arrays, name + "." + f).astype(dtype); };
        std::vector<Tensor> in;
        for (const char* f : {"x", "w", "pw"})
          if (io::contains(arrays, name + "." + f)) in.push_back(field(f));
        ConvAlgorithmScope scope(algorithm);
        GradientTape tape;
        for (auto& t : in) tape.watch(t);
        Tensor y = run(c, in);
        auto grads = tape.gradient(y, in, {.output_gradients = field("dy")});
        // The file holds what f64 gave, rounded to f32.
        const double tolerance = dtype == DType::f64 ? 2e-6 : 2e-5;
        REQUIRE(y.shape() == field("y").shape());
        CHECK(allclose(y, field("y"), {.rtol = tolerance, .atol = tolerance}));
        const char* names[] = {"dx", "dw", "dpw"};
        for (std::size_t i = 0; i < in.size(); ++i) {
          INFO(names[i]);
          REQUIRE(grads[i].shape() == field(names[i]).shape());
          CHECK(allclose(grads[i], field(names[i]), {.rtol = tolerance, .atol = tolerance}));
        }
      }
}
