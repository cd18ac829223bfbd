// A coroutine that hands over to another one as its last act, which g++ makes a tail call at -O2.
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

namespace {

class Task {
 public:
  struct promise_type {
    int value = 0;
    std::exception_ptr error;
    std::coroutine_handle<> waits;

    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
        std::coroutine_handle<> waits = self.promise().waits;
        return waits ? waits : std::noop_coroutine();
      }
      void await_resume() noexcept {}
    };

    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() { return {}; }
    Final final_suspend() noexcept { return {}; }
    void return_value(int what) { value = what; }
    void unhandled_exception() { error = std::current_exception(); }
  };

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waits) {
    handle_.promise().waits = waits;
    return handle_;
  }
  int await_resume() { return result(); }

  int run() {
    handle_.resume();
    return result();
  }

 private:
  int result() {
    if (handle_.promise().error) std::rethrow_exception(handle_.promise().error);
    return handle_.promise().value;
  }
  std::coroutine_handle<promise_type> handle_;
};

Task leaf(int n) {
  if (n % 5 == 3) throw n;
  co_return n * 2;
}

Task branch(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) {
    try {
      sum += co_await leaf(i);
    } catch (int thrown) {
      sum -= thrown;
    }
  }
  co_return sum;
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%d\n", branch(argc > 1 ? std::atoi(argv[1]) : 10).run());
}
