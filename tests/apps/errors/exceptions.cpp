// One way to throw and catch an argument. What is traced is as it would be written; functions are
// kept from being inlined so that the tree is the same at every level.
#include <pthread.h>
#include <setjmp.h>
#include <unistd.h>

#include <cstring>
#include <exception>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#define KEEP __attribute__((noinline))
#define HIDDEN __attribute__((no_instrument_function))

volatile int sink;

KEEP HIDDEN static void use(const void*) {
  sink = sink + 1;
}

// A destructor that is a traced call itself.
struct Guard {
  KEEP HIDDEN Guard() { use(this); }
  KEEP ~Guard() { use(this); }
};

// ---- in one frame, and through five

KEEP void one_frame() {
  try {
    throw std::runtime_error("in one frame");
  } catch (const std::exception& error) {
    use(error.what());
  }
}

KEEP void f5() {
  Guard guard;
  throw std::out_of_range("too far");
}
KEEP void f4() {
  f5();
  use(nullptr);
}
KEEP void f3() {
  Guard guard;
  f4();
  use(&guard);
}
KEEP void f2() {
  f3();
  use(nullptr);
}
KEEP void f1() {
  Guard guard;
  f2();
  use(&guard);
}
KEEP void five_frames() {
  try {
    f1();
  } catch (const std::exception& error) {
    use(error.what());
  }
}

// ---- again

KEEP void throws() {
  throw std::logic_error("the first");
}
KEEP void rethrows() {
  try {
    throws();
  } catch (const std::exception&) {
    use(nullptr);
    throw;
  }
}
KEEP void again() {
  try {
    rethrows();
  } catch (const std::exception& error) {
    use(error.what());
  }
}

KEEP void wraps() {
  try {
    throws();
  } catch (const std::exception&) {
    std::throw_with_nested(std::runtime_error("the second"));
  }
}
KEEP void look_inside(const std::exception& error) {
  try {
    std::rethrow_if_nested(error);
  } catch (const std::exception& inner) {
    use(inner.what());
  }
}
KEEP void nested() {
  try {
    wraps();
  } catch (const std::exception& error) {
    look_inside(error);
  }
}

// ---- threads

KEEP void* work(void*) {
  try {
    throws();
  } catch (const std::exception& error) {
    use(error.what());
  }
  return nullptr;
}
KEEP void in_a_thread() {
  pthread_t thread;
  pthread_create(&thread, nullptr, work, nullptr);
  pthread_join(thread, nullptr);
}

std::exception_ptr handed_over;
KEEP void* receives(void*) {
  try {
    std::rethrow_exception(handed_over);
  } catch (const std::exception& error) {
    use(error.what());
  }
  return nullptr;
}
KEEP void hands_over() {
  try {
    throws();
  } catch (...) {
    handed_over = std::current_exception();
  }
  pthread_t thread;
  pthread_create(&thread, nullptr, receives, nullptr);
  pthread_join(thread, nullptr);
  handed_over = nullptr;
}

// ---- the end

KEEP void promises() noexcept {
  f4();
  use(nullptr);
}
KEEP void uncaught() {
  f4();
  use(nullptr);
}

// ---- types

struct Plain {
  int number;
};
struct Silent : std::exception {};  // the what() of std::exception itself
struct Literal : std::exception {
  KEEP const char* what() const noexcept override { return "a literal"; }
};
struct Member : std::exception {
  std::string text = "a member that is too long for its place within the string";
  const char* what() const noexcept override { return text.c_str(); }
};
struct Base : virtual std::exception {
  long number = 1;
};
struct Left : virtual Base {
  const char* what() const noexcept override { return "through virtual bases"; }
};
struct Right : virtual Base {};
struct Diamond : Right, Left {
  char more[100] = {};
};
struct Other {
  virtual ~Other() = default;
  long number = 2;
};
struct Second : Other, std::runtime_error {
  Second() : std::runtime_error("the second base") {}
};
struct Secret : private std::exception {
  const char* what() const noexcept override { return "not to be seen"; }
};
struct Composed : std::exception {
  mutable std::string text;
  const char* what() const noexcept override {
    text = std::string("composed when asked: ") + std::to_string(getpid());
    return text.c_str();
  }
};

// What nobody should call: each would end the program, or change what it does.
struct Throwing : std::exception {
  const char* what() const noexcept override { throw 1; }
};
struct Crashing : std::exception {
  const char* what() const noexcept override {
    *static_cast<volatile int*>(nullptr) = 1;
    return "unreachable";
  }
};
struct Endless : std::exception {
  const char* what() const noexcept override {
    while (sink >= 0) sink = 1;
    return "unreachable";
  }
};
struct Printing : std::exception {
  const char* what() const noexcept override {
    [[maybe_unused]] ssize_t n = write(1, "what() was called\n", 18);
    return "printed";
  }
};
struct Null : std::exception {
  const char* what() const noexcept override { return nullptr; }
};
struct Dangling : std::exception {
  const char* what() const noexcept override { return reinterpret_cast<const char*>(16); }
};

template <typename T>
KEEP void type(const T& value) {
  try {
    throw value;
  } catch (...) {
    use(&value);
  }
}
KEEP void types() {
  type(42);
  type(-7L);
  type('x');
  type(true);
  type(2.5);
  type(static_cast<const char*>("a text"));
  type(std::string("a string"));
  type(Plain{3});
  type(Silent());
  type(Literal());
  type(Member());
  type(Diamond());
  type(Second());
  type(Secret());
  type(Composed());
  type(std::system_error(std::make_error_code(std::errc::no_such_file_or_directory), "open"));
  type(std::bad_alloc());
  type(std::bad_cast());
  type(std::runtime_error(std::string(1000, 'x')));
  type(std::runtime_error("\xc3\xa4\xff\n\"end\""));
}
KEEP void misbehaving() {
  type(Throwing());
  type(Crashing());
  type(Endless());
  type(Printing());
  type(Null());
  type(Dangling());
}

// ---- a destructor that throws and catches, while another exception is under way

struct Busy {
  KEEP HIDDEN Busy() { use(this); }
  KEEP ~Busy() { one_frame(); }
};
KEEP void busy() {
  Busy guard;
  throws();
  use(&guard);
}
KEEP void while_unwinding() {
  try {
    busy();
  } catch (const std::exception& error) {
    use(error.what());
  }
}

// ---- library code between throw and catch: at() throws in libstdc++

KEEP void in_library() {
  std::string text = "short";
  try {
    use(&text.at(99));
  } catch (const std::exception& error) {
    use(error.what());
  }
}

// ---- no errors

KEEP void* cancelled(void*) {
  Guard guard;
  for (;;) {
    use(&guard);
    usleep(1000);
  }
  return nullptr;
}
KEEP void cancels() {
  pthread_t thread;
  pthread_create(&thread, nullptr, cancelled, nullptr);
  usleep(20000);
  pthread_cancel(thread);
  pthread_join(thread, nullptr);
}

KEEP void leaves() {
  Guard guard;
  pthread_exit(nullptr);
}
KEEP void* exits(void*) {
  leaves();
  return nullptr;
}
KEEP void thread_exits() {
  pthread_t thread;
  pthread_create(&thread, nullptr, exits, nullptr);
  pthread_join(thread, nullptr);
}

// A forced unwind goes through catch (...), which must throw it on.
KEEP void* catches_all(void*) {
  try {
    leaves();
  } catch (...) {
    use(nullptr);
    throw;
  }
  return nullptr;
}
KEEP void exits_through_catch() {
  pthread_t thread;
  pthread_create(&thread, nullptr, catches_all, nullptr);
  pthread_join(thread, nullptr);
}

jmp_buf target;
KEEP void jumps() {
  longjmp(target, 1);
}
KEEP void below_jump() {
  jumps();
  use(nullptr);
}
KEEP void long_jump() {
  if (setjmp(target) == 0) below_jump();
  use(nullptr);
}

struct Case {
  const char* name;
  void (*run)();
};
const Case kCases[] = {
    {"one_frame", one_frame},
    {"five_frames", five_frames},
    {"again", again},
    {"nested", nested},
    {"in_a_thread", in_a_thread},
    {"hands_over", hands_over},
    {"promises", promises},
    {"uncaught", uncaught},
    {"types", types},
    {"misbehaving", misbehaving},
    {"while_unwinding", while_unwinding},
    {"in_library", in_library},
    {"cancels", cancels},
    {"thread_exits", thread_exits},
    {"exits_through_catch", exits_through_catch},
    {"long_jump", long_jump},
};

int main(int, char** arguments) {
  for (const Case& c : kCases) {
    if (strcmp(c.name, arguments[1]) == 0) c.run();
  }
  return 0;
}
