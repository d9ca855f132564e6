#include <tapir/test/ops/golden.h>

using namespace golden;

TEST_CASE("einsum: TensorFlow's values and gradients") {
  Family family("ops");
  int seen = 0;
  for (auto& c : family.cases) {
    if (c["op"] != "einsum") continue;
    std::string name = c["name"], equation = c["attrs"]["equation"];
    CAPTURE(name);
    for (DType d : {DType::f32, DType::f64}) {
      std::vector<Tensor> in;
      for (int i = 0; i < 4; ++i) {
        std::string field(1, char('a' + i));
        if (io::contains(family.arrays, name + "." + field)) in.push_back(family.get(name, field).astype(d));
      }
      REQUIRE(!in.empty());
      GradientTape tape;
      for (auto& t : in) tape.watch(t);
      Tensor y = einsum(equation, in);
      CHECK(distance(y, family.get(name, "y")) < 1e-5);
      auto g = tape.gradient(y, in, {.output_gradients = family.get(name, "dy").astype(d)});
      for (std::size_t i = 0; i < in.size(); ++i)
        CHECK(distance(g[i], family.get(name, std::string("d") + char('a' + i))) < 1e-5);
      ++seen;
    }
  }
  CHECK(seen >= 30);
}

TEST_CASE("einsum: ellipses broadcast, sums on one side, views") {
  Tensor a = randn({2, 1, 3, 4}), b = randn({5, 4, 2});
  CHECK(distance(einsum("...ij,...jk->...ik", {a, b}), matmul(a, b)) < 1e-13);
}

TEST_CASE("einsum: gradients of both orders") {
  auto check = [](const char* equation, const std::vector<Tensor>& in) {
    CAPTURE(equation);
    check_gradient([equation](const std::vector<Tensor>& t) { return einsum(equation, t); }, in);
  };
  check("ij,jk->ik", {randn({2, 3}), randn({3, 2})});
  check("bqhd,bkhd->bhqk", {randn({2, 2, 1, 3}), randn({2, 2, 1, 3})});
  check("ii->i", {randn({3, 3})});
  check("ij,jk,kl->il", {randn({2, 3}), randn({3, 2}), randn({2, 2})});
  check("...ij,...j->...i", {randn({2, 1, 2, 3}), randn({2, 3})});
}

TEST_CASE("einsum: integers, halves, one operand, empty") {
  Tensor i = Tensor::from_vector(std::vector<int>{1, 2, 3, 4}, {2, 2});
  CHECK(einsum("ij,jk->ki", {i, i}).to_vector<int>() == std::vector<int>{7, 15, 10, 22});
  CHECK(einsum("ij->", {i}).item<int>() == 10);
  CHECK(einsum("ii", {i}).item<int>() == 5);
  CHECK(einsum("ji", {i}).to_vector<int>() == std::vector<int>{1, 3, 2, 4});
  CHECK(einsum("ij,jk->ik", {zeros({2, 0}), zeros({0, 3})}).to_vector<float>() == std::vector<float>(6, 0.0f));
  CHECK(einsum("ij,jk->ik", {randn({2, 3}, DType::bf16), randn({3, 2}, DType::bf16)}).dtype() == DType::bf16);
  CHECK(einsum(" i , i -> ", {tensor({1.0f, 2.0f}), tensor({3.0f, 4.0f})}).item<float>() == 11);
}

TEST_CASE("einsum: exact errors") {
  Tensor a = zeros({2, 3});
  check_error<UsageError>([&] { einsum("ij,jk->ik", {a}); }, ": einsum: \"ij,jk->ik\" has 2 operands, got 1.");
  check_error<ShapeError>([&] { einsum("ijk->i", {a}); },
                          ": einsum: operand 0 has shape [2, 3] but \"ijk\" names 3 dimensions.");
  check_error<ShapeError>(
      [&] {
        einsum("ij,jk->ik", {a, a});
      },
      ": einsum: 'j' is 3 in one operand and 2 in another (\"ij,jk->ik\").");
  check_error<UsageError>([&] { einsum("ij->ik", {a}); },
                          ": einsum: the result has 'k', which no operand has, in \"ij->ik\".");
  check_error<UsageError>([&] { einsum("ij->ii", {a}); }, ": einsum: 'i' is twice in the result in \"ij->ii\".");
  check_error<UsageError>([&] { einsum("i*->i", {a}); }, ": einsum: unexpected '*' in \"i*->i\".");
}
