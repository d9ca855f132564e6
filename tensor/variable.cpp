#include <tapir/tensor/variable.h>

#include <mutex>

namespace tapir {

struct Variable::Cell {
  mutable std::mutex mutex;  // guards value and version; readers take a reference and go
  Tensor value;
  Shape shape;  // of every value
  DType dtype = DType::f32;
  std::uint64_t version = 0;
  std::string name;
  bool trainable = true;
};

namespace detail {
bool Overwrite::take(const Variable& variable, const Tensor& value) {
  Variable::Cell& c = *variable.cell();
  if (!c.mutex.try_lock()) return false;  // of several memories some other thread may hold one and want another
  const TensorImpl* impl = value.impl();
  const Storage* s = impl->storage;
  if (c.value.impl() != impl || impl->owners != 2 || !s || s->owners != 1 || s->context || !impl->contiguous ||
      impl->data != s->data) {
    c.mutex.unlock();
    return false;
  }
  variable_ = variable;
  next_ = value.alias();
  return true;
}

Overwrite::~Overwrite() {
  if (!next_.defined()) return;
  Variable::Cell& c = *variable_.cell();
  std::swap(c.value, next_);
  ++c.version;
  c.mutex.unlock();
}

VariableObserver*& variable_observer() {
  [[gnu::tls_model("initial-exec")]] static thread_local constinit VariableObserver* top = nullptr;
  return top;
}
VariableCast& variable_cast() {
  [[gnu::tls_model("initial-exec")]] static thread_local constinit VariableCast cast = nullptr;
  return cast;
}
}  // namespace detail

Variable::Variable(const Tensor& initial, std::string name, VariableOptions options, Where where) {
  CallSite site(where);
  if (!initial.defined()) throw UsageError("Variable: the initial value of '" + name + "' is undefined.");
  if (!initial.has_data())
    throw UsageError("Variable: '" + name + "' is made from a traced value. Make variables outside function().");
  cell_ = std::make_shared<Cell>();
  cell_->value = initial.alias();
  cell_->shape = initial.shape();
  cell_->dtype = initial.dtype();
  cell_->name = std::move(name);
  cell_->trainable = options.trainable;
}

Variable::Cell& Variable::get(const Where& where) const {
  if (cell_) return *cell_;
  CallSite site(where);
  throw UsageError("Variable: it is undefined; give it an initial value.");
}

Tensor Variable::value(Where where) const {
  Cell& c = get(where);
  Tensor v;
  for (auto* o = detail::variable_observer(); o && !v.defined(); o = o->previous) v = o->on_value(*this);
  if (!v.defined()) {
    std::lock_guard lock(c.mutex);
    v = c.value;
  }
  for (auto* o = detail::variable_observer(); o; o = o->previous) o->on_read(*this, v);
  if (detail::VariableCast cast = detail::variable_cast(); cast && c.trainable) return cast(v);
  return v;
}

const std::string& Variable::name(Where where) const { return get(where).name; }
void Variable::rename(std::string name, Where where) { get(where).name = std::move(name); }
bool Variable::trainable(Where where) const { return get(where).trainable; }
void Variable::set_trainable(bool trainable, Where where) { get(where).trainable = trainable; }
Shape Variable::shape(Where where) const { return get(where).shape; }
DType Variable::dtype(Where where) const { return get(where).dtype; }
std::uint64_t Variable::id() const {
  std::lock_guard lock(get().mutex);
  return get().value.id();
}
std::uint64_t Variable::version() const {
  std::lock_guard lock(get().mutex);
  return get().version;
}

void Variable::assign(const Tensor& value, Where where) {
  CallSite site(where);
  Cell& c = get();
  if (!value.defined()) throw UsageError("assign: the new value of '" + c.name + "' is undefined.");
  if (value.shape() != c.shape)
    throw ShapeError("assign: variable '" + c.name + "' has shape " + c.shape.str() + ", the value " +
                     value.shape().str() + ".");
  Tensor v = value;
  if (v.dtype() != c.dtype) {
    if (!v.is_weak())
      throw DTypeError("assign: variable '" + c.name + "' is " + name_of(c.dtype) + ", the value " +
                       name_of(v.dtype()) + ". Cast it: value.astype(DType::" + name_of(c.dtype) + ").");
    v = v.astype(c.dtype);
  }
  for (auto* o = detail::variable_observer(); o; o = o->previous)
    if (o->on_assign(*this, v)) return;
  Tensor fresh = v.alias(), old;
  std::lock_guard lock(c.mutex);
  old = std::exchange(c.value, std::move(fresh));
  ++c.version;
}

}  // namespace tapir
