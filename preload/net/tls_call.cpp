#include "preload/net/tls_call.h"

#include "preload/real/resolve.h"
#include "preload/start/startup.h"

namespace telinject::program {

__thread const void* t_tls_object __attribute__((tls_model("initial-exec")));

namespace {

Connection* connection_for(const void* object, HttpLayer layer) {
  if (!capturing_http() || object == nullptr || object == t_tls_object) return nullptr;
  return connection_of(object, layer, true);
}

}  // namespace

TlsCall::TlsCall(const void* object, HttpLayer layer, Way way)
    : outer_(t_tls_object), connection_(connection_for(object, layer)), scope_(connection_, way) {
  t_tls_object = object;
}

TlsCall::~TlsCall() {
  t_tls_object = outer_;
}

void TlsCall::closed(const void* object, HttpLayer layer) {
  if (!capturing_http() || object == nullptr || object == t_tls_object) return;
  if (Connection* connection = connection_of(object, layer, false)) connection_closed(connection);
}

ErrnoKept::ErrnoKept() : place_(nullptr), value_(0) {
  auto place = real<int* (*)()>(kReal___errno_location);
  if (place == nullptr) return;
  place_ = place();
  value_ = *place_;
}

ErrnoKept::~ErrnoKept() {
  if (place_ != nullptr) *place_ = value_;
}

}  // namespace telinject::program
