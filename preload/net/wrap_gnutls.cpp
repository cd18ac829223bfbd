// GnuTLS: the plaintext of TLS connections.
//
// Only bytes that passed count. A send that has to be repeated may be so without its data (GnuTLS
// has kept them): then their number is told, not what they are.
#include "preload/net/tls_call.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"

namespace telinject::program {

namespace {

constexpr HttpLayer kLayer = HttpLayer::kGnutls;

constexpr int kInternalError = -59;                 // GNUTLS_E_INTERNAL_ERROR
constexpr int kPushError = -53;                     // GNUTLS_E_PUSH_ERROR
constexpr int kPullError = -54;                     // GNUTLS_E_PULL_ERROR
constexpr int kPrematureTermination = -110;         // GNUTLS_E_PREMATURE_TERMINATION
constexpr int kFirstVersion = 1, kLastVersion = 5;  // gnutls_protocol_t: SSL 3 to TLS 1.3
constexpr unsigned kDnsName = 1;                    // GNUTLS_NAME_DNS

struct Datum {  // gnutls_datum_t
  const unsigned char* data;
  unsigned size;
};

// GnuTLS numbers SSL 3.0 as 1, and so on.
uint16_t wire_version(int version) {
  return version >= kFirstVersion && version <= kLastVersion
             ? static_cast<uint16_t>(0x0300 + version - kFirstVersion)
             : 0;
}

void tell_facts(const TlsCall& call, void* session, const void* library) {
  auto version = sibling<int (*)(void*)>(kLibrary_gnutls_protocol_get_version, library);
  auto protocol =
      sibling<int (*)(void*, Datum*)>(kLibrary_gnutls_alpn_get_selected_protocol, library);
  auto name = sibling<int (*)(void*, void*, size_t*, unsigned*, unsigned)>(
      kLibrary_gnutls_server_name_get, library);
  ErrnoKept kept;
  Datum alpn = {};
  if (protocol == nullptr || protocol(session, &alpn) != 0) alpn = {};
  // To servers only; a client's comes by gnutls_server_name_set().
  char host[256];
  size_t host_bytes = sizeof host;
  unsigned type = 0;
  if (name == nullptr || name(session, host, &host_bytes, &type, 0) != 0 || type != kDnsName) {
    host_bytes = 0;
  }
  while (host_bytes > 0 && host[host_bytes - 1] == 0) host_bytes--;
  // Who is the server GnuTLS does not tell: who speaks first shows it.
  connection_tls_facts(call.connection(), wire_version(version != nullptr ? version(session) : 0),
                       host, host_bytes, reinterpret_cast<const char*>(alpn.data), alpn.size);
}

void note_failure(const TlsCall& call, Way way, long result, const void* library) {
  if (call.connection() == nullptr) return;
  ErrnoKept kept;
  if (result == 0 || result == kPrematureTermination) {
    if (way == Way::kReceived) call.failed(way, 0);
    return;
  }
  auto is_fatal = sibling<int (*)(int)>(kLibrary_gnutls_error_is_fatal, library);
  if (is_fatal == nullptr || is_fatal(static_cast<int>(result)) == 0) return;
  bool system = result == kPushError || result == kPullError;
  call.failed(way, system && kept.value() != 0 ? kept.value() : kProtocolError);
}

template <typename Real>
long transfer(const void* library, Way way, void* session, const void* data, Real&& real) {
  TlsCall call(session, kLayer, way);
  long result = real();
  if (result <= 0) {
    note_failure(call, way, result, library);
  } else if (call.connection() != nullptr) {
    if (call.wants_facts()) tell_facts(call, session, library);
    if (way == Way::kSent) {
      call.sent(data, static_cast<size_t>(result));
    } else {
      call.received(data, static_cast<size_t>(result));
    }
  }
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

#define FIND(name)                                                                   \
  void* library = library_function(kLibrary_##name, TELINJECT_CALL_SITE(), session); \
  if (library == nullptr) return kInternalError

TELINJECT_WRAPPER(long, gnutls_record_send, void* session, const void* data, size_t size) {
  FIND(gnutls_record_send);
  auto real = reinterpret_cast<long (*)(void*, const void*, size_t)>(library);
  return transfer(library, Way::kSent, session, data, [&] { return real(session, data, size); });
}

TELINJECT_WRAPPER(long, gnutls_record_send2, void* session, const void* data, size_t size,
                  size_t padding, unsigned flags) {
  FIND(gnutls_record_send2);
  auto real = reinterpret_cast<long (*)(void*, const void*, size_t, size_t, unsigned)>(library);
  return transfer(library, Way::kSent, session, data,
                  [&] { return real(session, data, size, padding, flags); });
}

TELINJECT_WRAPPER(long, gnutls_record_send_range, void* session, const void* data, size_t size,
                  const void* range) {
  FIND(gnutls_record_send_range);
  auto real = reinterpret_cast<long (*)(void*, const void*, size_t, const void*)>(library);
  return transfer(library, Way::kSent, session, data,
                  [&] { return real(session, data, size, range); });
}

TELINJECT_WRAPPER(long, gnutls_record_send_file, void* session, int fd, long* offset, size_t size) {
  FIND(gnutls_record_send_file);
  auto real = reinterpret_cast<long (*)(void*, int, long*, size_t)>(library);
  return transfer(library, Way::kSent, session, nullptr,
                  [&] { return real(session, fd, offset, size); });
}

TELINJECT_WRAPPER(long, gnutls_record_recv, void* session, void* buffer, size_t size) {
  FIND(gnutls_record_recv);
  auto real = reinterpret_cast<long (*)(void*, void*, size_t)>(library);
  return transfer(library, Way::kReceived, session, buffer,
                  [&] { return real(session, buffer, size); });
}

TELINJECT_WRAPPER(long, gnutls_record_recv_seq, void* session, void* buffer, size_t size,
                  unsigned char* sequence) {
  FIND(gnutls_record_recv_seq);
  auto real = reinterpret_cast<long (*)(void*, void*, size_t, unsigned char*)>(library);
  return transfer(library, Way::kReceived, session, buffer,
                  [&] { return real(session, buffer, size, sequence); });
}

TELINJECT_WRAPPER(long, gnutls_record_recv_packet, void* session, void** packet) {
  FIND(gnutls_record_recv_packet);
  auto real = reinterpret_cast<long (*)(void*, void**)>(library);
  TlsCall call(session, kLayer);
  long result = real(session, packet);
  if (result <= 0) {
    note_failure(call, Way::kReceived, result, library);
  } else if (call.connection() != nullptr) {
    if (call.wants_facts()) tell_facts(call, session, library);
    auto get =
        sibling<void (*)(void*, Datum*, unsigned char*)>(kLibrary_gnutls_packet_get, library);
    Datum datum = {};
    if (get != nullptr && *packet != nullptr) get(*packet, &datum, nullptr);
    call.received(datum.data, datum.data != nullptr ? datum.size : static_cast<size_t>(result));
  }
  return result;
}

// On the server's side only, before the handshake is over.
TELINJECT_WRAPPER(long, gnutls_record_recv_early_data, void* session, void* buffer, size_t size) {
  FIND(gnutls_record_recv_early_data);
  auto real = reinterpret_cast<long (*)(void*, void*, size_t)>(library);
  TlsCall call(session, kLayer);
  long result = real(session, buffer, size);
  if (result > 0) call.received(buffer, static_cast<size_t>(result));
  return result;
}

TELINJECT_WRAPPER(int, gnutls_handshake, void* session) {
  FIND(gnutls_handshake);
  TlsCall call(session, kLayer);
  int result = reinterpret_cast<int (*)(void*)>(library)(session);
  if (result == 0 && call.wants_facts()) tell_facts(call, session, library);
  return result;
}

TELINJECT_WRAPPER(int, gnutls_bye, void* session, int how) {
  FIND(gnutls_bye);
  TlsCall call(session, kLayer);
  return reinterpret_cast<int (*)(void*, int)>(library)(session, how);
}

TELINJECT_WRAPPER(void, gnutls_deinit, void* session) {
  void* library = library_function(kLibrary_gnutls_deinit, TELINJECT_CALL_SITE(), session);
  if (library == nullptr) return;
  TlsCall::closed(session, kLayer);
  reinterpret_cast<void (*)(void*)>(library)(session);
}

// GnuTLS does not tell a client's server name later.
TELINJECT_WRAPPER(int, gnutls_server_name_set, void* session, unsigned type, const void* name,
                  size_t size) {
  FIND(gnutls_server_name_set);
  TlsCall call(session, kLayer);
  auto real = reinterpret_cast<int (*)(void*, unsigned, const void*, size_t)>(library);
  int result = real(session, type, name, size);
  if (result == 0 && type == kDnsName && call.connection() != nullptr) {
    connection_role(call.connection(), HttpRole::kClient);
    connection_tls_facts(call.connection(), 0, static_cast<const char*>(name), size, nullptr, 0);
  }
  return result;
}
