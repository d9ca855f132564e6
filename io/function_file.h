// Functions in a file: their graphs, constants and variables. One safetensors file, so that anybody can read the
// weights.
#pragma once
#include <tapir/graph/function.h>
#include <tapir/tensor/named_values.h>

namespace tapir {

/// A function that came from a file. Takes and gives lists of tensors, in the order of the original's arguments and
/// results. It records on tapes and becomes part of traces as any function does; its variables can be trained.
class LoadedFunction {
 public:
  /// Throws UsageError if the file has no trace for these dtypes and shapes.
  std::vector<Tensor> operator()(const std::vector<Tensor>& arguments, Where where = Where::current()) const;
  /// What it reads and assigns, with the values of the file; shared by all functions of one load.
  std::vector<Variable> variables() const;
  /// Dtypes and shapes of the arguments, one list a trace; `unknown` where any size will do.
  std::vector<std::vector<TensorSpec>> signatures() const;

 private:
  friend struct detail::FunctionReader;
  std::string path_;
  std::vector<std::shared_ptr<graph::Concrete>> traces_;
};

/// A function and the name it has in a file.
struct NamedFunction {
  std::string name;
  std::vector<std::shared_ptr<graph::Concrete>> traces;
  template <class F>
  NamedFunction(std::string n, const Function<F>& f) : name(std::move(n)), traces(f.core().concretes()) {}
  NamedFunction(std::string n, const detail::ConcreteCore& f) : name(std::move(n)), traces{f.concrete()} {}
};

/// Writes all traces of some functions to one file: `save_functions("net.tapir", {{"predict", predict}, {"train",
/// step}})`. Variables that they share are written once. Values of arguments that are no tensors are part of the traces
/// and are not written. The file appears whole or not at all. Throws FileError; UsageError for a function that was not
/// traced yet.
void save_functions(const std::string& path, const std::vector<NamedFunction>& functions,
                    Where where = Where::current());
/// Reads them back: `load_functions(path)["predict"]`. Throws FileError for a file that is damaged, of a later version,
/// or names an unknown operation.
NamedValues<LoadedFunction> load_functions(const std::string& path, Where where = Where::current());
/// The only function of a file, or the one of that name.
LoadedFunction load_function(const std::string& path, const std::string& name = "", Where where = Where::current());

}  // namespace tapir
