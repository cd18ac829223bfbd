// OpenSSL 1.1 and 3 (and what is like them): the plaintext of TLS connections.
//
// Some of these functions are made of others, by calls that come by way of us (TlsCall).
#include "preload/net/openssl_call.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

constexpr int kEarlyDataError = 0;  // SSL_read_early_data()

size_t positive(long result) {
  return result > 0 ? static_cast<size_t>(result) : 0;
}

int handshake(void* library, void* ssl) {
  TlsCall call(ssl, kOpensslLayer);
  int result = reinterpret_cast<int (*)(void*)>(library)(ssl);
  if (result == 1) openssl_connected(call, ssl, library);
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
  return openssl_transfer(
      library, Way::kReceived, ssl, buffer, [&] { return real(ssl, buffer, size); }, positive);
}

TELINJECT_WRAPPER(int, SSL_read_ex, void* ssl, void* buffer, size_t size, size_t* bytes) {
  FIND(SSL_read_ex);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, void*, size_t, size_t*)>(library);
  return openssl_transfer(
      library, Way::kReceived, ssl, buffer, [&] { return real(ssl, buffer, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(int, SSL_write, void* ssl, const void* data, int size) {
  FIND(SSL_write);
  if (library == nullptr) return -1;
  auto real = reinterpret_cast<int (*)(void*, const void*, int)>(library);
  return openssl_transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size); }, positive);
}

TELINJECT_WRAPPER(int, SSL_write_ex, void* ssl, const void* data, size_t size, size_t* bytes) {
  FIND(SSL_write_ex);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, size_t*)>(library);
  return openssl_transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(int, SSL_write_ex2, void* ssl, const void* data, size_t size, uint64_t flags,
                  size_t* bytes) {
  FIND(SSL_write_ex2);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, uint64_t, size_t*)>(library);
  return openssl_transfer(
      library, Way::kSent, ssl, data, [&] { return real(ssl, data, size, flags, bytes); },
      [&](int result) { return result > 0 ? *bytes : 0; });
}

TELINJECT_WRAPPER(long, SSL_sendfile, void* ssl, int fd, long offset, size_t size, int flags) {
  FIND(SSL_sendfile);
  if (library == nullptr) return -1;
  auto real = reinterpret_cast<long (*)(void*, int, long, size_t, int)>(library);
  return openssl_transfer(
      library, Way::kSent, ssl, nullptr, [&] { return real(ssl, fd, offset, size, flags); },
      positive);
}

TELINJECT_WRAPPER(int, SSL_read_early_data, void* ssl, void* buffer, size_t size, size_t* bytes) {
  FIND(SSL_read_early_data);
  if (library == nullptr) return kEarlyDataError;
  auto real = reinterpret_cast<int (*)(void*, void*, size_t, size_t*)>(library);
  TlsCall call(ssl, kOpensslLayer);
  int result = real(ssl, buffer, size, bytes);
  if (result != kEarlyDataError) call.received(buffer, *bytes);
  return result;
}

TELINJECT_WRAPPER(int, SSL_write_early_data, void* ssl, const void* data, size_t size,
                  size_t* bytes) {
  FIND(SSL_write_early_data);
  if (library == nullptr) return 0;
  auto real = reinterpret_cast<int (*)(void*, const void*, size_t, size_t*)>(library);
  TlsCall call(ssl, kOpensslLayer, Way::kSent);
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
  TlsCall call(ssl, kOpensslLayer);
  return reinterpret_cast<int (*)(void*)>(library)(ssl);
}

TELINJECT_WRAPPER(void, SSL_free, void* ssl) {
  FIND(SSL_free);
  if (library == nullptr) return;
  TlsCall::closed(ssl, kOpensslLayer);
  reinterpret_cast<void (*)(void*)>(library)(ssl);
}

TELINJECT_WRAPPER(int, SSL_clear, void* ssl) {
  FIND(SSL_clear);
  if (library == nullptr) return 0;
  TlsCall::closed(ssl, kOpensslLayer);
  return reinterpret_cast<int (*)(void*)>(library)(ssl);
}
