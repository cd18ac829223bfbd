// OpenSSL 1.1 and 3 (and what is like them): the plaintext of TLS connections.
//
// Only bytes that passed count: a call that wants to be repeated (SSL_ERROR_WANT_*) tells nothing.
// Some of these functions are made of others, by calls that come by way of us (TlsCall).
#include "preload/net/tls_call.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

constexpr HttpLayer kLayer = HttpLayer::kOpenssl;

// SSL_get_error()
constexpr int kErrorSsl = 1, kErrorSyscall = 5, kErrorZeroReturn = 6;
// SSL_read_early_data(), SSL_get_early_data_status()
constexpr int kEarlyDataError = 0, kEarlyDataRejected = 1;
constexpr int kHostName = 0;  // TLSEXT_NAMETYPE_host_name

// After the handshake: who with whom, by which protocol.
void tell_facts(const TlsCall& call, const void* ssl, const void* library) {
  auto version = sibling<int (*)(const void*)>(kLibrary_SSL_version, library);
  auto name = sibling<const char* (*)(const void*, int)>(kLibrary_SSL_get_servername, library);
  auto protocol = sibling<void (*)(const void*, const unsigned char**, unsigned*)>(
      kLibrary_SSL_get0_alpn_selected, library);
  auto server = sibling<int (*)(const void*)>(kLibrary_SSL_is_server, library);
  ErrnoKept kept;
  if (server != nullptr) {
    connection_role(call.connection(), server(ssl) != 0 ? HttpRole::kServer : HttpRole::kClient);
  }
  const char* host = name != nullptr ? name(ssl, kHostName) : nullptr;
  const unsigned char* alpn = nullptr;
  unsigned alpn_bytes = 0;
  if (protocol != nullptr) protocol(ssl, &alpn, &alpn_bytes);
  size_t host_bytes = 0;
  while (host != nullptr && host[host_bytes] != 0) host_bytes++;
  int number = version != nullptr ? version(ssl) : 0;
  connection_tls_facts(call.connection(), static_cast<uint16_t>(number), host, host_bytes,
                       reinterpret_cast<const char*>(alpn), alpn != nullptr ? alpn_bytes : 0);
}

// A handshake is over as soon as data passes.
void before_traffic(const TlsCall& call, const void* ssl, const void* library) {
  if (call.wants_facts()) tell_facts(call, ssl, library);
}

void note_failure(const TlsCall& call, Way way, const void* ssl, int result, const void* library) {
  if (call.connection() == nullptr) return;
  ErrnoKept kept;
  auto get_error = sibling<int (*)(const void*, int)>(kLibrary_SSL_get_error, library);
  switch (get_error != nullptr ? get_error(ssl, result) : 0) {
    case kErrorZeroReturn:
      call.failed(way, 0);
      break;
    case kErrorSyscall:
      call.failed(way, result == 0 ? 0 : kept.value());
      break;
    case kErrorSsl:
      call.failed(way, kProtocolError);
      break;
    default:
      break;
  }
}

// A call that passes data: `real` makes it and returns its result, `bytes` says how many passed.
template <typename Real, typename Bytes>
auto transfer(const void* library, Way way, const void* ssl, const void* data, Real&& real,
              Bytes&& bytes) {
  TlsCall call(ssl, kLayer, way);
  auto result = real();
  size_t passed = bytes(result);
  if (passed == 0) {
    note_failure(call, way, ssl, static_cast<int>(result), library);
  } else if (call.connection() != nullptr) {
    before_traffic(call, ssl, library);
    if (way == Way::kSent) {
      call.sent(data, passed);
    } else {
      call.received(data, passed);
    }
  }
  return result;
}

size_t positive(long result) {
  return result > 0 ? static_cast<size_t>(result) : 0;
}

int handshake(void* library, void* ssl) {
  TlsCall call(ssl, kLayer);
  int result = reinterpret_cast<int (*)(void*)>(library)(ssl);
  if (result != 1 || !call.wants_facts()) return result;
  auto early = sibling<int (*)(const void*)>(kLibrary_SSL_get_early_data_status, library);
  if (early != nullptr && early(ssl) == kEarlyDataRejected) {
    // What was sent early is sent again: the connection begins here.
    connection_closed(call.connection());
  } else {
    tell_facts(call, ssl, library);
  }
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

#define FIND(name) void* library = library_function(kLibrary_##name, TELINJECT_CALL_SITE(), ssl)

TELINJECT_WRAPPER(int, SSL_read, void* ssl, void* buffer, int size) {
  FIND(SSL_read);
  if (library == nullptr) return -1;
  auto real = reinterpret_cast<int (*)(void*, void*, int)>(library);
  return transfer(
      library, Way::kReceived, ssl, buffer, [&] { return real(ssl, buffer, size); }, positive);
}

TELINJECT_WRAPPER(int, SSL_read_ex, void* ssl, void* buffer, size_t size, size_t* bytes) {
  FIND(SSL_read_ex);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, void*, size_t, size_t*)>(library);
  return transfer(
      library, Way::kReceived, ssl, buffer, [&] { return real(ssl, buffer, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(int, SSL_write, void* ssl, const void* data, int size) {
  FIND(SSL_write);
  if (library == nullptr) return -1;
  auto real = reinterpret_cast<int (*)(void*, const void*, int)>(library);
  return transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size); }, positive);
}

TELINJECT_WRAPPER(int, SSL_write_ex, void* ssl, const void* data, size_t size, size_t* bytes) {
  FIND(SSL_write_ex);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, size_t*)>(library);
  return transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(int, SSL_write_ex2, void* ssl, const void* data, size_t size, uint64_t flags,
                  size_t* bytes) {
  FIND(SSL_write_ex2);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, uint64_t, size_t*)>(library);
  return transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size, flags, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(long, SSL_sendfile, void* ssl, int fd, long offset, size_t size, int flags) {
  FIND(SSL_sendfile);
  if (library == nullptr) return -1;
  auto real = reinterpret_cast<long (*)(void*, int, long, size_t, int)>(library);
  return transfer(
      library, Way::kSent, ssl, nullptr, [&] { return real(ssl, fd, offset, size, flags); },
      positive);
}

TELINJECT_WRAPPER(int, SSL_read_early_data, void* ssl, void* buffer, size_t size, size_t* bytes) {
  FIND(SSL_read_early_data);
  if (library == nullptr) return kEarlyDataError;
  auto real = reinterpret_cast<int (*)(void*, void*, size_t, size_t*)>(library);
  TlsCall call(ssl, kLayer);
  int result = real(ssl, buffer, size, bytes);
  if (result != kEarlyDataError) call.received(buffer, *bytes);
  return result;
}

TELINJECT_WRAPPER(int, SSL_write_early_data, void* ssl, const void* data, size_t size,
                  size_t* bytes) {
  FIND(SSL_write_early_data);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, size_t*)>(library);
  TlsCall call(ssl, kLayer, Way::kSent);
  int result = real(ssl, data, size, bytes);
  if (result > 0) call.sent(data, *bytes);
  return result;
}

TELINJECT_WRAPPER(int, SSL_connect, void* ssl) {
  FIND(SSL_connect);
  return library != nullptr ? handshake(library, ssl) : -1;
}

TELINJECT_WRAPPER(int, SSL_accept, void* ssl) {
  FIND(SSL_accept);
  return library != nullptr ? handshake(library, ssl) : -1;
}

TELINJECT_WRAPPER(int, SSL_do_handshake, void* ssl) {
  FIND(SSL_do_handshake);
  return library != nullptr ? handshake(library, ssl) : -1;
}

TELINJECT_WRAPPER(int, SSL_shutdown, void* ssl) {
  FIND(SSL_shutdown);
  if (library == nullptr) return -1;
  TlsCall call(ssl, kLayer);
  return reinterpret_cast<int (*)(void*)>(library)(ssl);
}

TELINJECT_WRAPPER(void, SSL_free, void* ssl) {
  FIND(SSL_free);
  if (library == nullptr) return;
  TlsCall::closed(ssl, kLayer);
  reinterpret_cast<void (*)(void*)>(library)(ssl);
}

TELINJECT_WRAPPER(int, SSL_clear, void* ssl) {
  FIND(SSL_clear);
  if (library == nullptr) return 0;
  TlsCall::closed(ssl, kLayer);
  return reinterpret_cast<int (*)(void*)>(library)(ssl);
}
