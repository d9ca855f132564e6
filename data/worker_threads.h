// Threads that make elements ahead of whoever takes them, in order.
#pragma once
#include <tapir/data/dataset.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace tapir::data {

/// Up to `ahead` elements are under way or ready. Exceptions come out of `next` where their element would.
class WorkerThreads {
 public:
  using Job = std::function<Element()>;
  /// `next_job` gives what the next element takes, empty at the end; one thread at a time calls it.
  WorkerThreads(int threads, std::size_t ahead, std::function<Job()> next_job)
      : ahead_(ahead), next_job_(std::move(next_job)) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  WorkerThreads(const WorkerThreads&) = delete;
  WorkerThreads& operator=(const WorkerThreads&) = delete;
  ~WorkerThreads() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (auto& t : threads_) t.join();
  }

  std::optional<Element> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return slots_.empty() ? ended_ : slots_.front()->ready; });
    if (slots_.empty()) return {};
    const auto slot = slots_.front();
    slots_.pop_front();
    lock.unlock();
    changed_.notify_all();
    if (slot->error) std::rethrow_exception(slot->error);
    return std::move(slot->element);
  }

 private:
  struct Slot {
    Element element;
    std::exception_ptr error;
    bool ready = false;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return stop_ || ended_ || (!taking_ && slots_.size() < ahead_); });
      if (stop_ || ended_) return;
      taking_ = true;  // the source is this thread's
      const auto slot = std::make_shared<Slot>();
      slots_.push_back(slot);
      lock.unlock();
      Job job;
      try {
        job = next_job_();
      } catch (...) {
        slot->error = std::current_exception();
      }
      lock.lock();
      taking_ = false;
      if (!job) {  // the end, or an error, after which nothing comes
        ended_ = true;
        if (slot->error) slot->ready = true;
        else std::erase(slots_, slot);
        changed_.notify_all();
        return;
      }
      lock.unlock();
      changed_.notify_all();
      try {
        slot->element = job();
      } catch (...) {
        slot->error = std::current_exception();
      }
      lock.lock();
      slot->ready = true;
      changed_.notify_all();
    }
  }

  std::size_t ahead_;
  std::function<Job()> next_job_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Slot>> slots_;  // in order
  bool taking_ = false, ended_ = false, stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tapir::data
