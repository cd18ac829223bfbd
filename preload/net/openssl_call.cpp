#include "preload/net/openssl_call.h"

#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

// SSL_get_error()
constexpr int kErrorSsl = 1, kErrorSyscall = 5, kErrorZeroReturn = 6;
constexpr int kEarlyDataRejected = 1;  // SSL_get_early_data_status()
constexpr int kHostName = 0;           // TLSEXT_NAMETYPE_host_name

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

}  // namespace

void openssl_passed(const TlsCall& call, Way way, const void* ssl, const void* data, size_t bytes,
                    const void* library) {
  if (call.connection() == nullptr) return;
  if (call.wants_facts()) tell_facts(call, ssl, library);
  if (way == Way::kSent) {
    call.sent(data, bytes);
  } else {
    call.received(data, bytes);
  }
}

void openssl_passed_nothing(const TlsCall& call, Way way, const void* ssl, int result,
                            const void* library) {
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

void openssl_connected(const TlsCall& call, const void* ssl, const void* library) {
  if (!call.wants_facts()) return;
  auto early = sibling<int (*)(const void*)>(kLibrary_SSL_get_early_data_status, library);
  if (early != nullptr && early(ssl) == kEarlyDataRejected) {
    // What was sent early is sent again: the connection begins here.
    connection_closed(call.connection());
  } else {
    tell_facts(call, ssl, library);
  }
}

}  // namespace telinject::program
