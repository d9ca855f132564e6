// CSV: as pandas reads it (make_csv.py), what can be chosen, streams, writing, and damage.
#include <tapir/test/io/files.h>
#include <tapir/test/thrown.h>

#include <tapir/data/csv.h>
#include <tapir/io/npy.h>
#include <tapir/ops/close.h>
#include <tapir/ops/ranges.h>
#include <tapir/ops/shaping.h>
#include <zlib.h>

#include <cmath>
#include <limits>

using namespace files;
using data::CsvOptions;
using data::CsvTable;
using Integers = std::vector<std::int64_t>;
using Floats = std::vector<float>;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Written {
  TempFolder folder;
  std::string path = folder / "x.csv";
  explicit Written(const std::string& text) { write_bytes(path, text); }
  CsvTable read(const CsvOptions& o = {}) const { return data::read_csv(path, o); }
};

CsvTable table_of(const std::string& text, const CsvOptions& o = {}) { return Written(text).read(o); }

// What read_csv says of such a file, without its name.
std::string refusal(const std::string& text, const CsvOptions& o = {}) {
  const Written file(text);
  const std::string all = error_of<FileError>([&] { file.read(o); }), start = "read_csv: " + file.path + ": ";
  return all.starts_with(start) ? all.substr(start.size()) : "not at the start: " + all;
}

std::vector<std::string> texts_of(const io::NamedTensors& values, const std::string& name) {
  std::vector<std::string> out(1);
  for (auto byte : io::find(values, name).to_vector<std::uint8_t>())
    if (byte == 0x1f) out.emplace_back();
    else out.back() += char(byte);
  return out;
}

}  // namespace

TEST_CASE("as pandas reads it") {
  const std::string path = source_path("test/data/fixtures/table.csv");
  const io::NamedTensors expected = io::load_npz(source_path("test/data/fixtures/table.npz"));
  const std::vector<std::string> names{"floats",           "gaps",   "integers", "bools", "a text, quoted",
                                       "numbers as words", "nothing"};
  std::vector<data::CsvColumn> columns;
  for (auto& name : names) columns.push_back({.name = name});
  columns[0].dtype = columns[1].dtype = columns[6].dtype = DType::f64;
  const CsvTable table = data::read_csv(path, {.columns = columns});
  REQUIRE(table.columns.size() == names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    INFO(names[i]);
    CHECK(table.columns[i].first == names[i]);
    const Tensor &ours = table.columns[i].second, theirs = io::find(expected, names[i]);
    CHECK(ours.shape() == Shape{60});
    CHECK(ours.dtype() == theirs.dtype());
    if (is_floating(ours.dtype())) {
      const auto a = ours.to_vector<double>(), b = theirs.to_vector<double>();
      for (std::size_t k = 0; k < a.size(); ++k) CHECK((a[k] == b[k] || (std::isnan(a[k]) && std::isnan(b[k]))));
    } else {
      CHECK(same(ours, theirs));
    }
    const bool texts = io::contains(expected, names[i] + ".texts");
    CHECK(table.schema[i].vocabulary == (texts ? texts_of(expected, names[i] + ".texts") : std::vector<std::string>()));
  }
  // without a word on dtypes: floats are f32, and numbers beyond it infinite
  const CsvTable plain = data::read_csv(path, {.columns = {{.name = "gaps"}, {.name = "bools"}}});
  const auto gaps = plain.column("gaps").to_vector<float>();
  const auto exact = io::find(expected, "gaps").to_vector<double>();
  for (std::size_t k = 0; k < gaps.size(); ++k)
    CHECK((gaps[k] == float(exact[k]) || (std::isnan(gaps[k]) && std::isnan(exact[k]))));
  CHECK(plain.column("bools").dtype() == DType::boolean);
}

TEST_CASE("what columns are found to be") {
  const CsvTable t = table_of(
      "\xef\xbb\xbf"
      "b,i,f,gap,text,empty\nTrue,1,1, 7 ,x,\n\nfalse,+2,-.5e1,NA,\"y\",\r\nTRUE,3,inf,9,,\r");
  CHECK(t.column("b").to_vector<bool>() == std::vector<bool>{true, false, true});
  CHECK(t.column("i").to_vector<std::int64_t>() == Integers{1, 2, 3});
  CHECK(t.column("f").to_vector<float>() == Floats{1, -5, INFINITY});
  const auto gap = t.column("gap").to_vector<float>();
  CHECK(gap[0] == 7);
  CHECK(std::isnan(gap[1]));
  CHECK(t.column("text").to_vector<std::int64_t>() == Integers{0, 1, -1});
  CHECK(t.schema[4].vocabulary == std::vector<std::string>{"x", "y"});
  CHECK(t.column("empty").dtype() == DType::f32);
  CHECK(t.schema[1].dtype == DType::i64);
  // gaps among integers and bools, filled or not
  const CsvTable filled =
      table_of("i,b\n1,true\n,\n", {.columns = {{.name = "i", .missing = 5}, {.name = "b", .missing = 0}}});
  CHECK(filled.column("i").to_vector<std::int64_t>() == Integers{1, 5});
  CHECK(filled.column("b").to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(table_of("i,b\n1,true\n,\n").column("i").dtype() == DType::f32);
  CHECK(table_of("i,b\n1,true\n,\n").column("b").to_vector<std::int64_t>() == Integers{0, -1});  // texts
  const CsvTable none = table_of("a,b\n");
  CHECK(none.column("b").shape() == Shape{0});
  CHECK(message<UsageError>([&] { (void)t.column("c"); }) ==
        "find: no tensor is named \"c\"; there are b, i, f, gap, text, empty.");
}

TEST_CASE("columns, dtypes and vocabularies that are asked for") {
  const std::string text = "7;\"a;b\";1\n8;c;0\n";
  const CsvTable t = table_of(text, {.header = false,
                                     .delimiter = ';',
                                     .columns = {{.name = "2", .dtype = DType::boolean},
                                                 {.name = "0", .dtype = DType::u8},
                                                 {.name = "1", .vocabulary = {"c"}, .unknown = 9}}});
  CHECK(t.columns[0].second.to_vector<bool>() == std::vector<bool>{true, false});
  CHECK(t.columns[1].second.to_vector<std::uint8_t>() == std::vector<std::uint8_t>{7, 8});
  CHECK(t.columns[2].second.to_vector<std::int64_t>() == Integers{9, 0});
  CHECK(array_equal(t.matrix({"0", "2"}), Tensor::from_vector<float>({7, 1, 8, 0}, {2, 2})));
  // a test set by the schema of the training set
  const Written train("x,kind\n1,dog\n2,cat\n"), test("kind,x\ndog,3\n");
  const CsvTable by_schema = test.read({.columns = data::csv_schema(train.path)});
  CHECK(by_schema.column("kind").to_vector<std::int64_t>() == Integers{1});
  CHECK(by_schema.columns[0].first == "x");
  CHECK(table_of("x\n-1\n", {.missing_texts = {"-1"}}).column("x").dtype() == DType::f32);
  const CsvTable half = table_of("x\n0.1\n", {.columns = {{.name = "x", .dtype = DType::f16}}});
  CHECK(same(half.column("x"), Tensor::from_vector<float>({0.1f}).astype(DType::f16)));
}

TEST_CASE("streams of batches") {
  std::string text = "x,y,kind\n";
  for (int i = 0; i < 7; ++i)
    text += std::to_string(i) + "," + std::to_string(i * 0.5) + "," + (i % 2 ? "odd" : "even") + "\n";
  const Written file(text);
  const auto batches = data::csv_dataset(file.path, {.batch_size = 3, .label = "kind"});
  for (int pass = 0; pass < 2; ++pass) {
    auto i = batches.iterate();
    const auto first = *i.next();
    CHECK(array_equal(first[0], Tensor::from_vector<float>({0, 0, 1, 0.5, 2, 1}, {3, 2})));
    CHECK(first[1].to_vector<std::int64_t>() == Integers{0, 1, 0});
    i.next();
    CHECK((*i.next())[0].shape() == Shape{1, 2});
    CHECK(!i.next());
  }
  CHECK((*batches.iterate({.position = 2}).next())[1].to_vector<std::int64_t>() == Integers{0});
  const auto columns = data::csv_dataset(file.path, {.batch_size = 4, .drop_remainder = true}).stacked();
  CHECK(columns.size() == 3);
  CHECK(columns[0].to_vector<std::int64_t>() == Integers{0, 1, 2, 3});
  CHECK(same(columns[1], Tensor::from_vector<float>({0, 0.5, 1, 1.5}, {1, 4})));
  const auto mixed = batches.unbatch().shuffle(7, {.seed = 1}).batch(7).stacked();
  CHECK(mixed[0].shape() == Shape{1, 7, 2});
  // with every dtype said the file is not read ahead: an error comes where it stands
  const Written damaged("x\n1\n2\nthree\n");
  auto i = data::csv_dataset(damaged.path, {.batch_size = 2, .csv = {.columns = {{.name = "x", .dtype = DType::f32}}}})
               .iterate();
  CHECK(i.next());
  CHECK(thrown<FileError>([&] { i.next(); }) ==
        "csv_dataset: " + damaged.path + ": line 4: column 1 (\"x\"): 'three' is not f32.");
  CHECK(message<UsageError>([&] { data::csv_dataset(file.path, {.label = "z"}); }) ==
        "csv_dataset: the label \"z\" is none of the columns that are read.");
  CHECK(message<UsageError>([&] { data::csv_dataset(file.path, {.batch_size = 0}); }) ==
        "csv_dataset: batch_size must be at least 1, got 0.");
}

TEST_CASE("written and read again") {
  TempFolder folder;
  const std::string path = folder / "x.csv";
  const std::vector<data::CsvColumn> schema{{.name = "t", .vocabulary = {"", "a,b", " c", "d\"e\nf"}}};
  const io::NamedTensors columns{
      {"f", Tensor::from_vector<float>({0.1f, kNaN, 1, 3e38f})},
      {"d", Tensor::from_vector<double>({0.1, 1e300, -2, 5e-324})},
      {"i", Tensor::from_vector<std::int64_t>({1, -2, INT64_MAX, INT64_MIN})},
      {"u", Tensor::from_vector<std::uint8_t>({0, 1, 254, 255})},
      {"b", Tensor::from_vector<bool>({true, false, true, true})},
      {"h", Tensor::from_vector<float>({0.5, 1, 2, 65504}).astype(DType::f16)},
      {"t", Tensor::from_vector<std::int64_t>({3, 1, -1, 2})},
      {"m", permute_dims(Tensor::from_vector<float>({1, 2, 3, 4, 5, 6, 7, 8}, {2, 4}), {1, 0})}};
  data::write_csv(path, columns, {.delimiter = '\t', .schema = schema});
  CHECK(bytes_of(path) ==
        "f\td\ti\tu\tb\th\tt\tm_0\tm_1\n"
        "0.1\t0.1\t1\t0\ttrue\t0.5\t\"d\"\"e\nf\"\t1.0\t5.0\n"
        "\t1e+300\t-2\t1\tfalse\t1.0\ta,b\t2.0\t6.0\n"
        "1.0\t-2.0\t9223372036854775807\t254\ttrue\t2.0\t\t3.0\t7.0\n"
        "3e+38\t5e-324\t-9223372036854775808\t255\ttrue\t65504.0\t\" c\"\t4.0\t8.0\n");
  std::vector<data::CsvColumn> read_as{schema};
  for (auto& [name, x] : columns)
    if (name != "t" && name != "m") read_as.push_back({.name = name, .dtype = x.dtype()});
  const CsvTable back = data::read_csv(path, {.delimiter = '\t', .columns = read_as});
  for (auto& [name, x] : back.columns) {
    INFO(name);
    CHECK(same(x, io::find(columns, name)));
  }
  data::write_csv(path, {{"x", Tensor::from_vector<float>({1, kNaN, 2})}}, {.header = false});
  CHECK(bytes_of(path) == "1.0\n\"\"\n2.0\n");  // no empty line, which would be none
  CHECK(data::read_csv(path, {.header = false}).columns[0].second.shape() == Shape{3});
  CHECK(folder.count() == 1);
  CHECK(message<UsageError>([&] { data::write_csv(path, {}); }) == "write_csv: there are no columns.");
  CHECK(message<ShapeError>([&] {
          data::write_csv(path, {{"a", arange(2)}, {"b", arange(3)}});
        }) == "write_csv: columns have as many rows as each other, got [2] of \"a\" and [3] of \"b\".");
  CHECK(message<ShapeError>([&] {
          data::write_csv(path, {{"a", Tensor(1)}});
        }) == "write_csv: column \"a\" is []; [rows] or [rows, k] are written.");
  CHECK(message<UsageError>([&] {
          data::write_csv(path, {{"t", arange(5)}}, {.schema = schema});
        }) == "write_csv: column \"t\" has 4, but its vocabulary has 4 texts.");
}

TEST_CASE("what does not fit is named with its line and column") {
  CHECK(refusal("") == "is empty, there is no record in it.");
  CHECK(refusal("a,b\n1,2\n3\n") == "line 3: the record has 1 fields, but there are 2 columns.");
  CHECK(refusal("a,b\n1,2,3\n") == "line 2: the record has 3 fields, but there are 2 columns.");
  CHECK(refusal("a,b\n1,\"2\n3\n") == "line 2: a quote is opened and never closed.");
  CHECK(refusal("a,b\n\"1\n\",\"2\"x\n") == "line 3: column 2 goes on after its closing quote.");
  CHECK(refusal("a,b,a\n") == "line 1: columns 1 and 3 are both named \"a\".");
  CHECK(refusal("a,b\n", {.columns = {{.name = "c"}}}) == "line 1: no column is named \"c\"; there are a, b.");
  const auto as = [](data::CsvColumn c) {
    c.name = "b";
    return CsvOptions{.columns = {c}};
  };
  const std::string text = "a,b\n\"two\nlines\",1\n2,300\n3,x y\n";
  CHECK(refusal(text, as({.dtype = DType::f32})) == "line 5: column 2 (\"b\"): 'x y' is not f32.");
  CHECK(refusal(text, as({.dtype = DType::u8})) == "line 4: column 2 (\"b\"): '300' is not u8.");
  CHECK(refusal(text, as({.dtype = DType::boolean})) == "line 4: column 2 (\"b\"): '300' is not bool.");
  CHECK(refusal("a,b\n1,1.5\n", as({.dtype = DType::i64})) == "line 2: column 2 (\"b\"): '1.5' is not i64.");
  CHECK(refusal("a,b\n1,NA\n", as({.dtype = DType::i64})) ==
        "line 2: column 2 (\"b\"): 'NA' is missing, which i64 cannot say. Give `missing`.");
  CHECK(refusal(text, as({.vocabulary = {"1", "300"}})) ==
        "line 5: column 2 (\"b\"): 'x y' is not in its vocabulary of 2 texts. Give `unknown`.");
  CHECK(error_of<FileError>([] { data::read_csv("nowhere.csv"); }) ==
        "read_csv: nowhere.csv: cannot be opened, No such file or directory.");
  const Written file(text);
  const auto usage = [&](const CsvOptions& o) { return message<UsageError>([&] { file.read(o); }); };
  CHECK(usage({.delimiter = '"'}) == "read_csv: the delimiter cannot be a quote, a line end or NUL.");
  CHECK(usage(as({.dtype = DType::u8, .missing = -1})) == "read_csv: column \"b\" is u8, which cannot be -1.");
  CHECK(usage(as({.vocabulary = {"a", "a"}})) == "read_csv: the vocabulary of column \"b\" has a text twice.");
  CHECK(usage(as({.dtype = DType::boolean, .vocabulary = {"a", "b"}})) ==
        "read_csv: column \"b\" has a vocabulary and is bool. Use an integer.");
}

TEST_CASE("hostile files") {
  const std::string whole = source_path("test/data/fixtures/table.csv");
  TempFolder folder;
  const auto read = [](const std::string& path) { (void)data::read_csv(path); };
  CHECK(check_damage(whole, 300, read) > 30);
  const std::string zipped = folder / "x.csv.gz";
  const auto write_gz = [&](const std::string& text, int times) {
    gzFile f = gzopen(zipped.c_str(), "wb");
    for (int i = 0; i < times; ++i) REQUIRE(gzwrite(f, text.data(), unsigned(text.size())) == int(text.size()));
    REQUIRE(gzclose(f) == Z_OK);
  };
  write_gz(bytes_of(whole), 1);
  const Tensor a = data::read_csv(whole).column("integers"), b = data::read_csv(zipped).column("integers");
  CHECK(same(a, b));
  CHECK(check_damage(zipped, 300, read) > 200);
  // a few bytes that expand to a record without end, or to one of fields without end
  const std::string start = "read_csv: " + zipped + ": line 1: the record ";
  write_gz(std::string(std::size_t(1) << 20, 'x'), 65);
  CHECK(error_of<FileError>([&] { read(zipped); }) == start + "is longer than 67108864 bytes.");
  write_gz(std::string(std::size_t(1) << 20, ','), 1);
  CHECK(error_of<FileError>([&] { read(zipped); }) == start + "has more than 65536 fields.");
}
