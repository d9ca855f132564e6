#include <tapir/ops/conv_pool.h>

namespace tapir {

Shape conv_pool_shape(const Shape& x, const Shape& kernel, const ConvPoolAttrs& a, bool pooled) {
  Shape y{x[0]};
  for (int d = 0; d < 2; ++d) {
    const std::int64_t extent = (kernel[d] - 1) * a.conv.dilations[d] + 1;
    const std::int64_t out = (x[1 + d] + a.conv.before[d] + a.conv.after[d] - extent) / a.conv.strides[d] + 1;
    y.push_back(pooled ? out / a.window[d] : out);
  }
  y.push_back(kernel.back());
  return y;
}

const OpDef conv_max_pool_op = {
    .name = "conv_max_pool",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ConvPoolAttrs>();
          Shape y = conv_pool_shape(in[0].shape(), in[1].shape(), a, true);
          y.insert(1, 1);
          out.push_back({y, in[0].dtype()});
          if (a.winners) out.push_back({y, DType::u8});
        },
    .kernel = {cpu::conv_max_pool},
    .needs_contiguous = true,
    .attrs = &attrs_type<ConvPoolAttrs>,
    .flops =
        [](const Call& c) { return conv_flops(c.in[0].shape(), c.in[1].shape(), c.attrs.as<ConvPoolAttrs>().conv); },
};

const OpDef conv_max_pool_kernel_gradient_op = {
    .name = "conv_max_pool_kernel_gradient",
    .infer =
        [](Inputs in, Attrs attrs, Specs& out) {
          const auto& a = attrs.as<ConvPoolAttrs>();
          out.push_back({a.conv.sizes.concat(Shape{in[0].shape().back(), in[1].shape().back()}), in[0].dtype()});
        },
    .kernel = {cpu::conv_max_pool_kernel_gradient},
    .needs_contiguous = true,
    .attrs = &attrs_type<ConvPoolAttrs>,
    .flops =
        [](const Call& c) { return conv_flops(c.in[0].shape(), c.out[0].shape(), c.attrs.as<ConvPoolAttrs>().conv); },
};

}  // namespace tapir
