// What the wrappers of preload/ (sockets, TLS libraries, libcurl, nghttp2) tell of the bytes that
// they carry. From here on it does not matter which library they came from.
//
// Safety class: async-signal-safe, no allocation, no lock that is waited for, errno untouched, at
// most one mmap(2) when a table grows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hooks/lane/state.h"
#include "shim/channel/http_message.h"

namespace telinject::program {

struct Connection;

enum class Way : uint8_t { kReceived, kSent };

// --- connections ---

// A descriptor's connection: null, by one load, if it is not looked at. A wrapper of read/write on
// a descriptor that has no connection yet asks first_bytes().
Connection* connection_of(int fd);
// That of an object of a TLS library (SSL*, gnutls_session_t); made now if `make`.
Connection* connection_of(const void* tls, HttpLayer layer, bool make);

// `bytes` passed, in this order, `size` of them; `data` may be null if they are not at hand
// (sendfile, splice): then they can only be body.
void traffic(Connection* connection, Way way, const void* data, size_t size);
// The call failed for good (not EAGAIN, EINTR), or received the end of the stream (error 0).
void traffic_failed(Connection* connection, Way way, int error);
// Closed, freed, cleared: ends what is open.
void connection_closed(Connection* connection);

// --- layers: what a lower layer does on behalf of an upper one is not looked at again ---

// True where this thread is in a call on a TLS object whose descriptor is not known yet.
extern __thread bool t_descriptor_wanted __attribute__((tls_model("initial-exec")));

// As long as it lives, descriptors that this thread reads and writes belong to `connection` (they
// give it its peer address); null changes nothing. `way` is that of what the call is for: when a
// message begins that is sent is when the call began.
class TlsScope {
 public:
  TlsScope(Connection* connection, Way way);
  ~TlsScope();
  TlsScope(const TlsScope&) = delete;
  TlsScope& operator=(const TlsScope&) = delete;

 private:
  Connection* outer_;
  bool outer_wanted_;
};

// Facts for the connection's message: after the handshake, once, if they are wanted still. What is
// 0 or empty is not known, and leaves what was known before (GnuTLS tells the server's name
// earlier).
bool connection_wants_tls_facts(const Connection* connection);  // no tls_version is known yet
void connection_tls_facts(Connection* connection, uint16_t tls_version, const char* server_name,
                          size_t server_name_bytes, const char* protocol, size_t protocol_bytes);
void connection_role(Connection* connection, HttpRole role);

// --- context ---

// The context of a client request that the current thread begins now, new trace included; false if
// nothing is to be recorded at all (tracing is off, the request is our own). `connection` is about
// to send the request, or has sent it just now, as its `number`th; null if that is not known.
bool client_context(uintptr_t sp, HttpContext* context, Connection* connection = nullptr,
                    uint32_t number = 0);
// Writes "00-<trace>-<span>-<flags>", 55 characters, no terminator.
void write_traceparent(char out[55], const HttpContext& context, uint64_t span);

// The transfer (kHttpTransfer) that this thread works for, for requests that begin meanwhile; 0:
// none.
extern __thread uint64_t t_transfer __attribute__((tls_model("initial-exec")));

// Implemented by preload/, called by the core: an HTTP/1 request of this process has gone out (its
// header block is complete) whose traceparent names `span`. If a transfer issued that id, it will
// put its next one into its next request. Cheap if no transfer is under way. (Of HTTP/2 the wrapper
// of nghttp2_submit_request sees it.)
void issued_id_sent(uint64_t span);

}  // namespace telinject::program
