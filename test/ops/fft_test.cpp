// Fourier transforms: values against NumPy's (golden/make_linalg.py); gradients are in op_cases.cpp.
#include <tapir/test/ops/golden.h>

using namespace golden;

TEST_CASE("values are NumPy's") {
  const io::NamedTensors all = io::load_npz(path_of("linalg.npz"));
  for (std::int64_t n : {1, 2, 5, 8, 12, 13, 30})
    for (DType d : {DType::f64, DType::f32}) {
      const std::string prefix = "fft" + std::to_string(n) + ".";
      const Tensor x = io::find(all, prefix + "x").astype(d), real = x(ellipsis, 0);
      auto same = [&](const Tensor& y, const std::string& name) {
        INFO(prefix, name, " ", std::string(name_of(d)));
        CHECK(y.dtype() == d);
        CHECK(distance(y, io::find(all, prefix + name)) < (d == DType::f64 ? 1e-13 : 1e-5));
      };
      for (const char* norm : {"backward", "ortho", "forward"}) {
        same(fft::fft(x, {.norm = norm}), std::string("fft ") + norm);
        same(fft::ifft(x, {.norm = norm}), std::string("ifft ") + norm);
      }
      same(fft::rfft(real), "rfft");
      same(fft::irfft(x, {.n = n}), "irfft");
      same(fft::fft(x, {.n = n + 3}), "longer");
      same(fft::fft(x, {.n = (n + 1) / 2}), "shorter");
      same(fft::fft(x, {.axis = 0}), "axis 0");
      same(fft::fftn(x), "fftn");
      same(fft::ifftn(x), "ifftn");
      same(fft::rfftn(real), "rfftn");
      same(fft::fftshift(real), "shift");
      same(fft::ifftshift(real), "ishift");
      if (d == DType::f32) {
        same(fft::fftfreq(n, 0.5), "fftfreq");
        same(fft::rfftfreq(n, 0.5), "rfftfreq");
      }
    }
}

TEST_CASE("there and back") {
  const Tensor x = randn({2, 6, 9, 2}), real = randn({4, 6});
  CHECK(distance(fft::ifft(fft::fft(x, {.axis = 1}), {.axis = 1}), x) < 1e-13);
  CHECK(distance(fft::ifftn(fft::fftn(x, {.axes = {0, 2}}), {.axes = {0, 2}}), x) < 1e-13);
  CHECK(distance(fft::irfft(fft::rfft(real)), real) < 1e-13);
  CHECK(distance(fft::irfftn(fft::rfftn(real)), real) < 1e-13);
  CHECK(distance(fft::irfft(fft::rfft(real, {.axis = 0}), {.axis = 0}), real) < 1e-13);
  CHECK(fft::fft(zeros({0, 4, 2})).shape() == Shape{0, 4, 2});
  // not row-major, and many rows on all threads
  const Tensor many = randn({2, 64, 300});
  CHECK(distance(fft::fft(moveaxis(many, 0, 2)), fft::fft(contiguous(moveaxis(many, 0, 2)))) == 0);
}

TEST_CASE("bad input") {
  const Tensor x = ones({4, 2});
  check_error<ShapeError>(
      [&] { fft::fft(ones({3})); },
      ": fft: needs complex numbers, pairs in a last dimension of 2, got shape [3]. rfft() takes real "
      "ones; stack({re, im}, {.axis = -1}) makes pairs.");
  check_error<DTypeError>(
      [&] {
        fft::rfft(tensor({1, 2}));
      },
      ": rfft: needs floats, got i32. Cast it: x.astype(DType::f32).");
  check_error<UsageError>([&] { fft::fft(x, {.norm = "both"}); },
                          ": fft: norm must be \"backward\", \"forward\" or \"ortho\", got \"both\".");
  check_error<ShapeError>([&] { fft::fft(x, {.n = 0}); }, ": fft: needs n of 1 or more, got 0 for shape [4, 2].");
  check_error<ShapeError>([&] { fft::irfft(ones({1, 2})); }, ": irfft: needs n of 1 or more, got 0 for shape [1, 2].");
  check_error<ShapeError>([&] { fft::fft(zeros({0, 2})); }, ": fft: needs n of 1 or more, got 0 for shape [0, 2].");
  check_error<UsageError>([&] { fft::fftfreq(0); }, ": fftfreq: needs n of 1 or more, got 0.");
  check_error<UsageError>([&] { fft::fftn(ones({2, 3, 2}), {.axes = {}}); }, ": fftn: needs at least one axis.");
}
