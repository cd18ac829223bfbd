// What the wrappers of OpenSSL and GnuTLS have in common: a call on a TLS object, while it lasts.
//
// Safety class: as hooks/http/traffic.h.
#pragma once

#include "hooks/http/traffic.h"

namespace telinject::program {

// The object whose call is under way on this thread: libraries make some of their functions of
// others, and call them by way of us.
extern __thread const void* t_tls_object __attribute__((tls_model("initial-exec")));

class TlsCall {
 public:
  TlsCall(const void* object, HttpLayer layer, Way way = Way::kReceived);
  ~TlsCall();
  TlsCall(const TlsCall&) = delete;
  TlsCall& operator=(const TlsCall&) = delete;

  // Null: nothing is to be told.
  Connection* connection() const { return connection_; }
  // True once the handshake is over and what it agreed on has not been told.
  bool wants_facts() const {
    return connection_ != nullptr && connection_wants_tls_facts(connection_);
  }

  void received(const void* data, size_t bytes) const { passed(Way::kReceived, data, bytes); }
  void sent(const void* data, size_t bytes) const { passed(Way::kSent, data, bytes); }
  void failed(Way way, int error) const {
    if (connection_ != nullptr) traffic_failed(connection_, way, error);
  }
  // The object is freed, or begins anew.
  static void closed(const void* object, HttpLayer layer);

 private:
  void passed(Way way, const void* data, size_t bytes) const {
    if (connection_ != nullptr && bytes > 0) traffic(connection_, way, data, bytes);
  }

  const void* outer_;
  Connection* connection_;
  TlsScope scope_;
};

// libc's errno, read and put back: what we ask the library between must not change it.
class ErrnoKept {
 public:
  ErrnoKept();
  ~ErrnoKept();
  ErrnoKept(const ErrnoKept&) = delete;
  ErrnoKept& operator=(const ErrnoKept&) = delete;
  int value() const { return value_; }

 private:
  int* place_;
  int value_;
};

inline constexpr int kProtocolError = 71;  // EPROTO, for what the library found wrong

}  // namespace telinject::program
