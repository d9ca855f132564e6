// Activations of neural networks.
#include <tapir/ops/elementwise.h>
#include <tapir/ops/functors/activation.h>
#include <tapir/ops/tile.h>

namespace tapir {

using namespace vmath::fn;

Tensor relu(const Tensor& x, Where w) { return apply(op<Relu>, {x}, {}, w); }
Tensor relu6(const Tensor& x, Where w) { return apply(op<Relu6>, {x}, {}, w); }
Tensor selu(const Tensor& x, Where w) { return apply(op<Selu>, {x}, {}, w); }
Tensor silu(const Tensor& x, Where w) { return apply(op<Silu>, {x}, {}, w); }
Tensor mish(const Tensor& x, Where w) { return apply(op<Mish>, {x}, {}, w); }
Tensor softplus(const Tensor& x, Where w) { return apply(op<Softplus>, {x}, {}, w); }
Tensor softsign(const Tensor& x, Where w) { return apply(op<Softsign>, {x}, {}, w); }
Tensor sigmoid(const Tensor& x, Where w) { return apply(op<Sigmoid>, {x}, {}, w); }
Tensor log_sigmoid(const Tensor& x, Where w) { return apply(op<LogSigmoid>, {x}, {}, w); }
Tensor hard_sigmoid(const Tensor& x, Where w) { return apply(op<HardSigmoid>, {x}, {}, w); }
Tensor hard_silu(const Tensor& x, Where w) { return apply(op<HardSilu>, {x}, {}, w); }
Tensor leaky_relu(const Tensor& x, double alpha, Where w) { return apply(op<LeakyRelu>, {x}, LeakyRelu{{}, alpha}, w); }
Tensor elu(const Tensor& x, double alpha, Where w) { return apply(op<Elu>, {x}, Elu{{}, alpha}, w); }
Tensor gelu(const Tensor& x, GeluOptions o, Where w) {
  return apply(o.approximate ? op<GeluTanh> : op<Gelu>, {x}, {}, w);
}

void list_activations(std::vector<const OpDef*>& out) { list_rows(ActivationOps{}, out); }

}  // namespace tapir
