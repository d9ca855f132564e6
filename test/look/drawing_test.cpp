// Layout and SVG: nothing overlaps, lines lead down, whatever the graph; names stay text.
#include <doctest/doctest.h>
#include <tapir/look/drawing.h>
#include <tapir/look/layered.h>
#include <tapir/look/markup.h>

#include <random>

using namespace tapir::look;

namespace {

struct Case {
  std::vector<Size> boxes;
  std::vector<std::pair<int, int>> links;
};

Case drawn(unsigned seed, int boxes, int links) {
  std::mt19937 random(seed);
  Case c;
  for (int i = 0; i < boxes; ++i) c.boxes.push_back({40.0 + random() % 160, 20.0 + random() % 60});
  for (int i = 0; i < links; ++i) {
    const int a = int(random() % unsigned(boxes)), b = int(random() % unsigned(boxes));
    if (a != b) c.links.emplace_back(std::min(a, b), std::max(a, b));
  }
  return c;
}

void check(const Case& c, const LayoutOptions& options = {}) {
  const Layout l = layered(c.boxes, c.links, options);
  REQUIRE(l.at.size() == c.boxes.size());
  REQUIRE(l.routes.size() == c.links.size());
  auto across = [&](Point p) { return options.left_to_right ? p.y : p.x; };
  auto along = [&](Point p) { return options.left_to_right ? p.x : p.y; };
  auto wide = [&](Size s) { return options.left_to_right ? s.height : s.width; };
  auto high = [&](Size s) { return options.left_to_right ? s.width : s.height; };
  constexpr double slack = 1e-6;
  for (std::size_t i = 0; i < l.at.size(); ++i) {
    CHECK(l.at[i].x >= -slack);
    CHECK(l.at[i].y >= -slack);
    CHECK(l.at[i].x + c.boxes[i].width <= l.width + slack);
    CHECK(l.at[i].y + c.boxes[i].height <= l.height + slack);
    for (std::size_t k = 0; k < i; ++k) {
      const bool apart = across(l.at[i]) + wide(c.boxes[i]) + options.gap <= across(l.at[k]) + slack ||
                         across(l.at[k]) + wide(c.boxes[k]) + options.gap <= across(l.at[i]) + slack ||
                         along(l.at[i]) + high(c.boxes[i]) < along(l.at[k]) ||
                         along(l.at[k]) + high(c.boxes[k]) < along(l.at[i]);
      CHECK_MESSAGE(apart, i << " and " << k);
    }
  }
  for (std::size_t k = 0; k < c.links.size(); ++k) {
    const auto [from, to] = c.links[k];
    const auto& r = l.routes[k];
    REQUIRE(r.size() >= 2);
    const auto a = std::size_t(from), b = std::size_t(to);
    CHECK(along(r.front()) == doctest::Approx(along(l.at[a]) + high(c.boxes[a])));
    CHECK(along(r.back()) == doctest::Approx(along(l.at[b])));
    CHECK(across(r.front()) >= across(l.at[a]));
    CHECK(across(r.front()) <= across(l.at[a]) + wide(c.boxes[a]));
    CHECK(across(r.back()) >= across(l.at[b]));
    CHECK(across(r.back()) <= across(l.at[b]) + wide(c.boxes[b]));
    for (std::size_t i = 1; i < r.size(); ++i) {
      CHECK(along(r[i]) >= along(r[i - 1]) - slack);
      // Where it passes a layer it is straight and goes through no box.
      if (i % 2 == 0) {
        CHECK(across(r[i]) == doctest::Approx(across(r[i - 1])));
        for (std::size_t v = 0; v < l.at.size(); ++v) {
          const bool same_layer = along(l.at[v]) < along(r[i]) && along(l.at[v]) + high(c.boxes[v]) > along(r[i - 1]);
          const bool within = across(r[i]) > across(l.at[v]) && across(r[i]) < across(l.at[v]) + wide(c.boxes[v]);
          CHECK_FALSE((same_layer && within));
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("graphs of all kinds") {
  check({});
  check({{{10, 10}}, {}});
  check({{{10, 10}, {30, 10}, {20, 10}}, {}});
  check({{{10, 10}, {30, 10}, {20, 10}}, {{0, 1}, {1, 2}, {0, 2}}});
  for (unsigned seed = 0; seed < 40; ++seed) {
    const int boxes = 2 + int(seed);
    check(drawn(seed, boxes, boxes + int(seed % 7) * 3));
    check(drawn(seed, boxes, boxes), {.left_to_right = true, .gap = 10, .layer_gap = 50});
  }
}

TEST_CASE("a chain is straight, and a line beside it passes without a crossing") {
  const Case c{{{100, 30}, {100, 30}, {100, 30}, {100, 30}}, {{0, 1}, {1, 2}, {2, 3}}};
  const Layout l = layered(c.boxes, c.links);
  for (auto& p : l.at) CHECK(p.x == doctest::Approx(0));
  CHECK(l.width == doctest::Approx(100));
}

TEST_CASE("layers that can be drawn without crossings are") {
  // Two ladders whose boxes come in turns.
  Case c;
  for (int i = 0; i < 20; ++i) {
    c.boxes.push_back({50, 20});
    if (i >= 2) c.links.emplace_back(i - 2, i);
  }
  c.links.emplace_back(0, 18), c.links.emplace_back(1, 19);
  const Layout l = layered(c.boxes, c.links);
  for (int i = 2; i < 20; i += 2) {  // both chains keep their sides
    const bool before = l.at[std::size_t(i)].x < l.at[std::size_t(i + 1)].x;
    CHECK(before == (l.at[0].x < l.at[1].x));
  }
}

TEST_CASE("circles and boxes that lead to themselves") {
  const Case c{{{10, 10}, {10, 10}, {10, 10}}, {{0, 1}, {1, 2}, {2, 0}, {1, 1}}};
  const Layout l = layered(c.boxes, c.links);
  CHECK(l.at[0].y < l.at[1].y);
  CHECK(l.at[1].y < l.at[2].y);
  CHECK(l.routes[2].front().y > l.routes[2].back().y);  // back up
  CHECK(l.routes[3].empty());
  CHECK_FALSE(to_svg({"circle", {{{"a"}}, {{"b"}}, {{"c"}}}, {{0, 1}, {1, 2}, {2, 0}, {1, 1}}}).empty());
}

TEST_CASE("a thousand boxes are no trouble") {
  const Case c = drawn(1, 1000, 1400);
  const Layout l = layered(c.boxes, c.links);
  CHECK(l.at.size() == 1000);
}

TEST_CASE("names stay text") {
  CHECK(escaped("<script>alert('x') & \"y\"</script>") ==
        "&lt;script&gt;alert(&#39;x&#39;) &amp; &quot;y&quot;&lt;/script&gt;");
  CHECK(escaped("ünïcödé ✓ 日本 😀") == "ünïcödé ✓ 日本 😀");
  CHECK(escaped(std::string("\x00\x01\x7f", 3)) == "\uFFFD\uFFFD\uFFFD");
  CHECK(escaped("\xff\xc0\xaf\xed\xa0\x80\xf5") == "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
  CHECK(escaped("cut \xe6\x97") == "cut \uFFFD\uFFFD");
  CHECK(escaped("a\tb\nc") == "a\tb\nc");
  const std::string svg = to_svg({"<t>", {{{"<b>", "a & b"}, "op", "<tip>"}}, {}});
  CHECK(svg.find("<b>") == std::string::npos);
  CHECK(svg.find("<tip>") == std::string::npos);
  CHECK(svg.find("&lt;b&gt;") != std::string::npos);
  CHECK(svg.find("aria-label=\"&lt;t&gt;\"") != std::string::npos);
}

TEST_CASE("long lines are cut, and the tip has them whole") {
  CHECK(shortened("abcdef", 6) == "abcdef");
  CHECK(shortened("abcdefg", 6) == "abcde…");
  CHECK(shortened("日本語日本語", 4) == "日本語…");
  CHECK(column("ab", 4) == "ab  ");
  CHECK(column("日本語", 4) == "日本語 ");
  CHECK(column("abcdef", 4) == "abc…");
  const std::string name(200, 'x'), svg = to_svg({"t", {{{name}}}, {}});
  CHECK(svg.find("<title>" + name) != std::string::npos);
  CHECK(svg.find(">" + std::string(47, 'x') + "…<") != std::string::npos);
}
