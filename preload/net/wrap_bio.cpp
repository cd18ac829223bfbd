// OpenSSL's BIO that does TLS (BIO_f_ssl, as BIO_new_ssl and BIO_new_ssl_connect make it).
//
// libssl calls its own functions for it, past us. So the BIO is made with a method of ours: a copy
// of libssl's, whose functions call those of the original. It reads and writes the same bytes in
// the same order, whatever BIOs are above it (buffers) and below it (sockets, memory).
//
// The copy is made by OpenSSL's own functions, which allocate; as the call does that it is made in.
#include <atomic>

#include "preload/net/openssl_call.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"
#include "preload/start/startup.h"
#include "shim/channel/syscall.h"

namespace telinject::program {

namespace {

using Read = int (*)(void*, char*, size_t, size_t*);
using Write = int (*)(void*, const char*, size_t, size_t*);
using Control = long (*)(void*, int, long, void*);
using Destroy = int (*)(void*);
using Any = void (*)();

constexpr int kTypeSsl = 7 | 0x0200;  // BIO_TYPE_SSL
// BIO_ctrl()
constexpr int kReset = 1, kFlush = 11, kHandshake = 101, kSetSsl = 109, kGetSsl = 110;

// A method of libssl's and our copy of it. As many as there may be libraries.
struct Method {
  std::atomic<const void*> original;
  std::atomic<const void*> copy;
  Read read = nullptr;
  Write write = nullptr;
  Control control = nullptr;
  Destroy destroy = nullptr;
  int (*frees)(void*) = nullptr;  // BIO_get_shutdown

  // Itself where a copy cannot be made. Another thread may be making it, which takes no time; or
  // that thread is not in this forked child.
  const void* finished_copy() {
    constexpr int kPatience = 1000;
    for (int i = 0; i < kPatience; i++) {
      if (const void* made = copy.load(std::memory_order_acquire)) return made;
      sys::call(SYS_sched_yield);
    }
    const void* none = nullptr;
    copy.compare_exchange_strong(none, original.load(std::memory_order_relaxed));
    return copy.load(std::memory_order_acquire);
  }
  const void* library() const { return reinterpret_cast<const void*>(read); }
  // Null if the BIO has none.
  void* ssl_of(void* bio) const {
    void* ssl = nullptr;
    return control(bio, kGetSsl, 0, &ssl) > 0 ? ssl : nullptr;
  }
};
constexpr int kMethods = 4;
constinit Method g_methods[kMethods];

template <int kMethod>
int read_bio(void* bio, char* data, size_t size, size_t* bytes) {
  const Method& method = g_methods[kMethod];
  return openssl_transfer(
      method.library(), Way::kReceived, method.ssl_of(bio), data,
      [&] { return method.read(bio, data, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

template <int kMethod>
int write_bio(void* bio, const char* data, size_t size, size_t* bytes) {
  const Method& method = g_methods[kMethod];
  return openssl_transfer(
      method.library(), Way::kSent, method.ssl_of(bio), data,
      [&] { return method.write(bio, data, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

template <int kMethod>
long control_bio(void* bio, int command, long number, void* argument) {
  const Method& method = g_methods[kMethod];
  if (command == kSetSsl && method.frees(bio) != 0) {
    TlsCall::closed(method.ssl_of(bio), kOpensslLayer);
  }
  if (command != kHandshake && command != kReset && command != kFlush) {
    return method.control(bio, command, number, argument);
  }
  void* ssl = method.ssl_of(bio);
  long result;
  {
    TlsCall call(ssl, kOpensslLayer);
    result = method.control(bio, command, number, argument);
    if (command == kHandshake && result == 1) openssl_connected(call, ssl, method.library());
  }
  if (command == kReset) TlsCall::closed(ssl, kOpensslLayer);
  return result;
}

template <int kMethod>
int destroy_bio(void* bio) {
  const Method& method = g_methods[kMethod];
  if (bio != nullptr && method.frees(bio) != 0) TlsCall::closed(method.ssl_of(bio), kOpensslLayer);
  return method.destroy(bio);
}

struct Functions {
  Read read;
  Write write;
  Control control;
  Destroy destroy;
};
template <int kMethod>
constexpr Functions kFunctionsOf = {read_bio<kMethod>, write_bio<kMethod>, control_bio<kMethod>,
                                    destroy_bio<kMethod>};
constexpr Functions kFunctions[kMethods] = {kFunctionsOf<0>, kFunctionsOf<1>, kFunctionsOf<2>,
                                            kFunctionsOf<3>};

// ---- the copy

// libcrypto's functions that read and write a method. They are there from OpenSSL 1.1.1 on.
class Editor {
 public:
  explicit Editor(const void* crypto) : crypto_(crypto) {}

  bool complete() const { return complete_; }
  Any get(LibraryFunction getter, const void* method) {
    auto function = sibling<Any (*)(const void*)>(getter, crypto_);
    if (function == nullptr) complete_ = false;
    return function != nullptr ? function(method) : nullptr;
  }
  template <typename Function>
  void set(LibraryFunction setter, void* method, Function value) {
    auto function = sibling<int (*)(void*, Any)>(setter, crypto_);
    if (function == nullptr || function(method, reinterpret_cast<Any>(value)) != 1) {
      complete_ = false;
    }
  }
  void copy(LibraryFunction getter, LibraryFunction setter, const void* from, void* to) {
    set(setter, to, get(getter, from));
  }

 private:
  const void* crypto_;
  bool complete_ = true;
};

bool read_original(Editor* editor, const void* crypto, const void* original, Method* method) {
  method->read = reinterpret_cast<Read>(editor->get(kLibrary_BIO_meth_get_read_ex, original));
  method->write = reinterpret_cast<Write>(editor->get(kLibrary_BIO_meth_get_write_ex, original));
  method->control = reinterpret_cast<Control>(editor->get(kLibrary_BIO_meth_get_ctrl, original));
  method->destroy = reinterpret_cast<Destroy>(editor->get(kLibrary_BIO_meth_get_destroy, original));
  method->frees = sibling<int (*)(void*)>(kLibrary_BIO_get_shutdown, crypto);
  return method->read != nullptr && method->write != nullptr && method->control != nullptr &&
         method->destroy != nullptr && method->frees != nullptr;
}

// Null if this library cannot do it.
void* make_copy(const void* crypto, const void* original, Method* method,
                const Functions& functions) {
  Editor editor(crypto);
  auto make = sibling<void* (*)(int, const char*)>(kLibrary_BIO_meth_new, crypto);
  auto free = sibling<void (*)(void*)>(kLibrary_BIO_meth_free, crypto);
  if (make == nullptr || free == nullptr) return nullptr;
  if (!read_original(&editor, crypto, original, method)) return nullptr;
  void* copy = make(kTypeSsl, "ssl");
  if (copy == nullptr) return nullptr;
  editor.set(kLibrary_BIO_meth_set_read_ex, copy, functions.read);
  editor.set(kLibrary_BIO_meth_set_write_ex, copy, functions.write);
  editor.set(kLibrary_BIO_meth_set_ctrl, copy, functions.control);
  editor.set(kLibrary_BIO_meth_set_destroy, copy, functions.destroy);
  editor.copy(kLibrary_BIO_meth_get_puts, kLibrary_BIO_meth_set_puts, original, copy);
  editor.copy(kLibrary_BIO_meth_get_gets, kLibrary_BIO_meth_set_gets, original, copy);
  editor.copy(kLibrary_BIO_meth_get_create, kLibrary_BIO_meth_set_create, original, copy);
  editor.copy(kLibrary_BIO_meth_get_callback_ctrl, kLibrary_BIO_meth_set_callback_ctrl, original,
              copy);
  if (editor.complete()) return copy;
  free(copy);
  return nullptr;
}

// True if it is the method of the libssl that is loaded there.
bool is_ssl_method(const void* method) {
  if (method == nullptr) return false;
  auto ssl_method = sibling<const void* (*)()>(kLibrary_BIO_f_ssl, method);
  return ssl_method != nullptr && ssl_method() == method;
}

// What BIO_new is to be called with. `crypto` is a function of the library that it is of.
const void* watched_method(const void* method, const void* crypto) {
  if (!capturing_http() || !is_ssl_method(method)) return method;
  for (int i = 0; i < kMethods; i++) {
    Method& known = g_methods[i];
    const void* original = nullptr;
    if (known.original.compare_exchange_strong(original, method)) {
      const void* made = make_copy(crypto, method, &known, kFunctions[i]);
      known.copy.store(made != nullptr ? made : method, std::memory_order_release);
    } else if (original != method) {
      continue;
    }
    return known.finished_copy();
  }
  return method;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject::program;

TELINJECT_WRAPPER(void*, BIO_new, const void* method) {
  void* library = library_function(kLibrary_BIO_new, TELINJECT_CALL_SITE(), method);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<void* (*)(const void*)>(library)(watched_method(method, library));
}

// From OpenSSL 3 on.
TELINJECT_WRAPPER(void*, BIO_new_ex, void* context, const void* method) {
  void* library = library_function(kLibrary_BIO_new_ex, TELINJECT_CALL_SITE(), method);
  if (library == nullptr) return nullptr;
  return reinterpret_cast<void* (*)(void*, const void*)>(library)(context,
                                                                  watched_method(method, library));
}
