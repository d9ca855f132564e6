// CSV files as RFC 4180 has them: named columns of numbers; texts become numbers by a vocabulary.
#pragma once
#include <tapir/data/dataset.h>
#include <tapir/io/named_tensors.h>

#include <string>

namespace tapir::data {

/// A column to read, and what its fields become.
struct CsvColumn {
  std::string name = "";                     ///< as the header has it; without a header "0", "1", ...
  std::optional<DType> dtype = {};           ///< none: what all its fields are, bool, i64 or f32, else texts as i64
  std::optional<double> missing = {};        ///< in place of a missing field; none: NaN, of texts -1, else FileError
  std::vector<std::string> vocabulary = {};  ///< texts become their places in it
  std::optional<std::int64_t> unknown = {};  ///< in place of a text that the vocabulary lacks; none: FileError
};

struct CsvOptions {
  bool header = true;  ///< the first record names the columns
  char delimiter = ',';
  std::vector<CsvColumn> columns = {};  ///< these, in this order; empty: all
  /// Fields of these texts are missing.
  std::vector<std::string> missing_texts = {"",     "NA",   "N/A",  "n/a", "<NA>", "#N/A",
                                            "NULL", "null", "None", "NaN", "nan"};
};

/// What a CSV file held.
struct CsvTable {
  io::NamedTensors columns;       ///< each [rows]
  std::vector<CsvColumn> schema;  ///< how each was read, vocabularies included: another file is read alike with it

  /// The column of that name, [rows]. Throws UsageError.
  Tensor column(const std::string& name, Where where = Where::current()) const;
  /// These columns side by side, f32 [rows, names]. Throws UsageError for a name that is not there, and for none.
  Tensor matrix(const std::vector<std::string>& names, Where where = Where::current()) const;
};

/// Reads a CSV file, plain or gzipped. The file is read twice, or three times if it has texts without a vocabulary,
/// which then is their sorted list. Empty lines are passed over, spaces around numbers ignored, a quoted field may hold
/// delimiters, line ends and doubled quotes. Throws FileError with line and column where a record has too few or too
/// many fields, a field is not what its column is, or a quote stays open; UsageError.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {}, Where where = Where::current());

/// How read_csv would read the columns of this file: with every dtype and vocabulary. Throws as it does.
std::vector<CsvColumn> csv_schema(const std::string& path, const CsvOptions& options = {},
                                  Where where = Where::current());

struct CsvDatasetOptions {
  std::int64_t batch_size = 32;
  std::string label = "";       ///< with it, batches are {x f32 [n, columns], y [n]}: y is this column, x all others
  bool drop_remainder = false;  ///< leave out a last batch that is smaller
  CsvOptions csv = {};
};

/// Batches of a CSV file, read as they are asked for; without a label one tensor [n] for each column. What columns hold
/// is found out first, from the whole file, unless all have a dtype or a vocabulary. To shuffle:
/// `csv_dataset(path).unbatch().shuffle(1000).batch(32)`. Throws as read_csv, there or while iterating.
Dataset csv_dataset(const std::string& path, const CsvDatasetOptions& options = {}, Where where = Where::current());

struct WriteCsvOptions {
  bool header = true;
  char delimiter = ',';
  std::vector<CsvColumn> schema = {};  ///< columns that have a vocabulary here are written as its texts
};

/// Writes tensors [rows], or [rows, k] as columns "name_0" to "name_<k-1>". NaN is written as nothing, floats so that
/// they read back as they were. The file appears whole or not at all. Throws ShapeError, UsageError, FileError.
void write_csv(const std::string& path, const io::NamedTensors& columns, const WriteCsvOptions& options = {},
               Where where = Where::current());

}  // namespace tapir::data
