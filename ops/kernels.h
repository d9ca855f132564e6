// The kernels that op rows name, one line a kernel, and how most rows name them; backends/ implements them.
#pragma once
#include <tapir/ops/op.h>

namespace tapir {

/// What most rows with a kernel of their own are: dense inputs, f16 and bf16 by way of f32.
constexpr OpDef dense_row(const char* name, Infer infer, Kernel on_cpu, Gradient gradient, Saves saves,
                          const AttrsType* attrs = nullptr) {
  OpDef d;
  d.name = name;
  d.infer = infer;
  d.kernel[int(Backend::cpu)] = on_cpu;
  d.gradient = gradient;
  d.saves = saves;
  d.needs_contiguous = true;
  d.half_via_f32 = true;
  d.attrs = attrs;
  return d;
}

}  // namespace tapir

namespace tapir::cpu {

// Copies, reductions.
void cast(const Call& call);  // out = in, any strides, any dtypes
void sum(const Call& call);
void prod(const Call& call);
void min(const Call& call);
void max(const Call& call);
void any(const Call& call);
void all(const Call& call);
void argmin(const Call& call);
void argmax(const Call& call);
void cumulative_sum(const Call& call);
void cumulative_prod(const Call& call);
void linear_scan(const Call& call);
void shift(const Call& call);
void softmax(const Call& call);
void softmax_grad(const Call& call);
void log_softmax(const Call& call);
void log_softmax_grad(const Call& call);
void logsumexp(const Call& call);
void sort(const Call& call);
void gather_along(const Call& call);
void scatter_along(const Call& call);
void searchsorted(const Call& call);

// Linear algebra on the last two dimensions: dense f32, f64.
void cholesky(const Call& call);
void solve_triangular(const Call& call);
void solve(const Call& call);
void det(const Call& call);
void slogdet(const Call& call);
void qr(const Call& call);
void eigh(const Call& call);
void svd(const Call& call);
void fft(const Call& call);  // [..., n, 2]

// Convolutions: (x, kernel) -> y; (dy, kernel) -> dx; (x, dy) -> dkernel.
void conv(const Call& call);
void conv_input_gradient(const Call& call);
void conv_kernel_gradient(const Call& call);

// Joining, padding, rearranging: any dtype, any strides.
void join(const Call& call);   // concat, stack
void split(const Call& call);  // split, unstack
void pad(const Call& call);
void pad_gradient(const Call& call);  // dense f32, f64
void roll(const Call& call);
void diag_embed(const Call& call);
void triangle(const Call& call);  // tril, triu

// Random numbers; in[0] (or the last input) is the key.
void random_key(const Call& call);
void random_uniform(const Call& call);
void random_normal(const Call& call);
void random_integers(const Call& call);
void random_categorical(const Call& call);
void random_permutation(const Call& call);
void dropout(const Call& call);
// Slices, gathers, scatters: gather.cpp
void strided_slice_gradient(const Call& call);
void take(const Call& call);
void embedding_lookup(const Call& call);
void take_gradient(const Call& call);
void take_along_axis(const Call& call);
void take_along_axis_gradient(const Call& call);
void flat_index(const Call& call);
void scatter(const Call& call);

// Matrix products.
void matmul(const Call& call);

// Pooling of [N, D, H, W, C].
void max_pool(const Call& call);
void max_pool_grad(const Call& call);
void max_pool_pick(const Call& call);
void avg_pool(const Call& call);
void avg_pool_grad(const Call& call);

// Normalisation: x -> mean, variance; (x, mean, variance, scale, offset) -> y; (x, scale, mean, variance, dy) -> dx,
// dscale, doffset, where the statistics are given or those of x.
void moments(const Call& call);
void batch_norm(const Call& call);
void batch_norm_grad(const Call& call);
void batch_norm_training_grad(const Call& call);
void norm_parameters_grad(const Call& call);
// (x, scale, offset) -> y; (x, scale, dy) -> dx, dscale, doffset; an rms norm has no offset.
void layer_norm(const Call& call);
void layer_norm_grad(const Call& call);
void rms_norm(const Call& call);
void rms_norm_grad(const Call& call);

// Cross entropies: (labels, logits) -> loss; (dy, labels, logits) -> dlogits.
void softmax_cross_entropy(const Call& call);
void softmax_cross_entropy_grad(const Call& call);
void sparse_softmax_cross_entropy(const Call& call);
void sparse_softmax_cross_entropy_grad(const Call& call);
void sigmoid_cross_entropy(const Call& call);
// One optimizer step on one parameter.
void sgd_update(const Call& call);
void adam_update(const Call& call);
void rmsprop_update(const Call& call);
void adagrad_update(const Call& call);

}  // namespace tapir::cpu
