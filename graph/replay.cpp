#include <tapir/graph/executable_frame.h>
#include <tapir/graph/replay.h>
#include <tapir/ops/call_observer.h>
#include <tapir/tensor/cuda_module.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace tapir::graph {

namespace {

constexpr int kMostAttempts = 4;  // to note a call, before its addresses are taken to be new each time
constexpr int kFewestKernels = 2;

bool switched_off() {
  const char* text = std::getenv("TAPIR_CUDA_GRAPHS");
  return text && std::strcmp(text, "0") == 0;
}

}  // namespace

struct Replay::Notes {
  const detail::CudaModule& cuda;
  std::unique_ptr<Executable::Frame> frame;  // constants, and the headers of the arena
  detail::Storage* arena = nullptr;
  std::vector<Tensor> fixed;       // where an input is copied to; undefined: it is read where it is
  std::vector<std::size_t> taken;  // targets that are written over, with the inputs they are
  std::vector<Tensor> results;     // undefined: a variable has it
  void* capture = nullptr;

  explicit Notes(const detail::CudaModule& m) : cuda(m) {}
  ~Notes() {
    if (capture) cuda.drop_capture(capture);
    results.clear();
    frame.reset();
    if (arena) detail::drop(arena);
  }
};

bool Replay::before(const Node& n) { return std::strcmp(n.op->name, "random_key") == 0; }

bool Replay::possible(const Executable& e) {
  if (e.device_.backend != Backend::cuda || switched_off()) return false;
  int kernels = 0;
  for (const Node& n : e.graph_.nodes) {
    if (n.op->make || (n.op->effect && !before(n))) return false;
    kernels += !n.op->view && !before(n);
  }
  return kernels >= kFewestKernels;
}

Replay::Replay(Executable& e) : e_(e), moves_(e.graph_.inputs.size(), 0) {}
Replay::~Replay() = default;

std::optional<std::vector<Tensor>> Replay::run(std::vector<Tensor>& inputs) {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || attempts_ > kMostAttempts || detail::call_observer.load(std::memory_order_relaxed)) return {};
  for (const Tensor& t : inputs)
    if (t.device() != e_.device_ || !t.is_contiguous()) return {};
  std::vector<const std::byte*> now;
  for (const Tensor& t : inputs) now.push_back(t.data<std::byte>());
  now.swap(last_);  // `now` is of the call before
  if (now.empty()) now = last_, calls_ = 0;
  if (notes_ && moved(now)) notes_.reset(), calls_ = 1, ++attempts_;
  Overwrites held;
  if (!notes_) {
    if (++calls_ <= 2) return {};  // what is made at a first call is made, and addresses have settled
    notes_ = note(inputs, now, held);
    if (!notes_) attempts_ = kMostAttempts + 1;
  } else if (!take(inputs, held)) {
    return {};
  }
  if (!notes_) return {};
  if (++calls_ % 16 == 0) attempts_ = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (const Tensor& to = notes_->fixed[i]; to.defined() && to.size())
      notes_->cuda.copy(to.mutable_data<std::byte>(), e_.device_, last_[i], e_.device_,
                        std::size_t(to.size()) * size_of(to.dtype()));
  for (const Executable::Step& s : e_.steps_)
    if (before(*s.node))
      run_kernel(*s.node->op, Inputs(std::span<const Inputs::Ref>()),
                 std::span<const Tensor>(notes_->frame->outs).subspan(s.first_out, 1), s.attrs, e_.device_);
  notes_->cuda.replay(notes_->capture);
  return results(*notes_);
}

// Is an input that the notes read where it is somewhere else now? Those of variables may settle again.
bool Replay::moved(const Addresses& before) {
  bool any = false;
  for (std::size_t i = 0; i < last_.size(); ++i) {
    if (notes_->fixed[i].defined() || last_[i] == before[i]) continue;
    any = true;
    const int value = e_.graph_.inputs[i];
    moves_[i] = std::none_of(e_.targets_.begin(), e_.targets_.end(), [&](auto& t) { return t.input == value; });
  }
  return any;
}

bool Replay::take(const std::vector<Tensor>& inputs, Overwrites& held) const {
  for (std::size_t t : notes_->taken) {
    const Executable::Target& target = e_.targets_[t];
    const auto& all = e_.graph_.inputs;
    const auto in = std::size_t(std::find(all.begin(), all.end(), target.input) - all.begin());
    held.push_back(std::make_unique<detail::Overwrite>());
    if (!held.back()->take(target.variable, inputs[in])) return false;
  }
  return true;
}

// Nothing is done yet. `before`: where the inputs were at the call before.
std::unique_ptr<Replay::Notes> Replay::note(std::vector<Tensor>& inputs, const Addresses& then, Overwrites& held) {
  auto n = std::make_unique<Notes>(detail::cuda_module(e_.device_, "function"));
  n->frame = e_.make_frame();
  Executable::Frame& f = *n->frame;
  if (e_.arena_bytes_) {
    n->arena = detail::new_storage(e_.arena_bytes_, e_.device_);
    f.move_to(n->arena->data);
  }
  n->fixed.resize(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (moves_[i] || last_[i] != then[i]) n->fixed[i] = Tensor::empty(inputs[i].shape(), inputs[i].dtype(), e_.device_);
  for (const Executable::Step& s : e_.steps_)
    if (before(*s.node)) {
      const int v = s.node->out[0];
      f.outs[s.first_out] = f.values[std::size_t(v)] =
          Tensor::empty(e_.graph_.spec(v).shape, e_.graph_.spec(v).dtype, e_.device_);
    }

  void* capture = n->cuda.begin_capture(e_.device_);
  if (!capture) return nullptr;
  bool good = true;
  try {
    // A variable's memory is only taken from whoever holds it alone.
    for (std::size_t i = 0; i < inputs.size(); ++i)
      f.values[std::size_t(e_.graph_.inputs[i])] = n->fixed[i].defined() ? n->fixed[i] : std::move(inputs[i]);
    const std::vector<int> done = e_.run_steps(f, &held);
    n->results = e_.results_of(f, done);
    for (std::size_t t = 0; t < e_.targets_.size(); ++t)
      if (std::find(done.begin(), done.end(), e_.targets_[t].output) != done.end()) n->taken.push_back(t);
    for (const Tensor& r : n->results) good &= !r.defined() || r.is_contiguous();
  } catch (const DeviceError&) {
    good = false;  // something needs the host
  }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!n->fixed[i].defined()) inputs[i] = f.values[std::size_t(e_.graph_.inputs[i])];
  std::vector<Tensor> outs;  // of what runs before the notes
  for (const Executable::Step& s : e_.steps_)
    if (before(*s.node)) outs.push_back(f.outs[s.first_out]);
  e_.forget(f);  // while memory that is given back is kept
  std::size_t key = 0;
  for (const Executable::Step& s : e_.steps_)
    if (before(*s.node)) f.outs[s.first_out] = outs[key++];
  if (!n->cuda.end_capture(capture, good)) return nullptr;
  n->capture = capture;
  return n;
}

std::vector<Tensor> Replay::results(const Notes& n) const {
  std::vector<Tensor> out;
  for (const Tensor& r : n.results) {
    if (!r.defined() || r.device() != e_.device_) {
      out.push_back(r);
      continue;
    }
    out.push_back(Tensor::empty(r.shape(), r.dtype(), e_.device_));
    if (r.size())
      n.cuda.copy(out.back().mutable_data<std::byte>(), e_.device_, r.data<std::byte>(), e_.device_,
                  std::size_t(r.size()) * size_of(r.dtype()));
  }
  return out;
}

}  // namespace tapir::graph
