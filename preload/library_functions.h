// Finding the real functions of libraries that come and go: OpenSSL, GnuTLS, libcurl, nghttp2.
//
// Unlike libc they may be loaded at any time, RTLD_LOCAL, and more than once (two flavours of
// libcurl, told apart by symbol versions): which one a call means depends on who calls. It is found
// as the loader would have bound the caller's reference if we were not there: by the version that
// the caller was linked against, among what the program began with, what was made global since,
// what the caller itself was linked against, then anywhere. The answer is kept for the call site.
//
// The caller is known by the return address and the call instruction before it. Where a call is a
// jump (the last one of its function), the address lies in the caller's caller; if that called by a
// pointer, nobody can say who jumped. Should several libraries define the function then, the object
// that the call is about (an SSL*, a handle) says whose it is, by earlier calls that were clear.
//
// Safety class: as resolve.h. No lock of the loader's but that of its list of objects, and that
// only at the first call from a call site; then a few loads.
#pragma once

#include <cstdint>

namespace telinject {

#define TELINJECT_LIBRARY_FUNCTIONS(F) \
  /* OpenSSL */                        \
  F(SSL_read)                          \
  F(SSL_read_ex)                       \
  F(SSL_write)                         \
  F(SSL_write_ex)                      \
  F(SSL_write_ex2)                     \
  F(SSL_sendfile)                      \
  F(SSL_read_early_data)               \
  F(SSL_write_early_data)              \
  F(SSL_connect)                       \
  F(SSL_accept)                        \
  F(SSL_do_handshake)                  \
  F(SSL_shutdown)                      \
  F(SSL_free)                          \
  F(SSL_clear)                         \
  F(SSL_get_error)                     \
  F(SSL_get_servername)                \
  F(SSL_get0_alpn_selected)            \
  F(SSL_version)                       \
  F(SSL_is_server)                     \
  F(SSL_get_early_data_status)         \
  /* GnuTLS */                         \
  F(gnutls_record_send)                \
  F(gnutls_record_send2)               \
  F(gnutls_record_send_range)          \
  F(gnutls_record_send_file)           \
  F(gnutls_record_recv)                \
  F(gnutls_record_recv_seq)            \
  F(gnutls_record_recv_packet)         \
  F(gnutls_record_recv_early_data)     \
  F(gnutls_handshake)                  \
  F(gnutls_bye)                        \
  F(gnutls_deinit)                     \
  F(gnutls_server_name_set)            \
  F(gnutls_server_name_get)            \
  F(gnutls_packet_get)                 \
  F(gnutls_protocol_get_version)       \
  F(gnutls_alpn_get_selected_protocol) \
  F(gnutls_error_is_fatal)             \
  /* libcurl */                        \
  F(curl_easy_setopt)                  \
  F(curl_easy_getinfo)                 \
  F(curl_easy_strerror)                \
  F(curl_easy_perform)                 \
  F(curl_easy_reset)                   \
  F(curl_easy_duphandle)               \
  F(curl_easy_cleanup)                 \
  F(curl_multi_add_handle)             \
  F(curl_multi_remove_handle)          \
  F(curl_multi_info_read)              \
  F(curl_multi_cleanup)                \
  /* nghttp2 */                        \
  F(nghttp2_submit_request)            \
  F(nghttp2_submit_request2)

enum LibraryFunction : uint32_t {
#define TELINJECT_ENUMERATOR(name) kLibrary_##name,
  TELINJECT_LIBRARY_FUNCTIONS(TELINJECT_ENUMERATOR)
#undef TELINJECT_ENUMERATOR
      kLibraryFunctionCount,
};

// What the code at `call_site` (a return address) would call if we were not there, for `object`.
// Null only if no loaded object defines such a function.
void* library_function(LibraryFunction function, const void* call_site, const void* object);

// The function of the library that holds `relative`, one of its functions; null if that has none.
void* sibling_function(LibraryFunction function, const void* relative);

// True if both addresses lie in one object: a library calls its own function by way of us.
bool same_object(const void* call_site, const void* function);

// Called when objects have been unloaded, or will be loaded: what is kept for call sites may be
// wrong from then on, for other objects may come to stand at the same addresses, or define the
// same.
void forget_library_functions();

// Called once, in the constructor: the objects that are loaded now are those the program began
// with.
void note_initial_objects();

// Called before a library of that name is opened with RTLD_GLOBAL.
void note_global_library(const char* path);

template <typename Function>
Function sibling(LibraryFunction function, const void* relative) {
  return reinterpret_cast<Function>(sibling_function(function, relative));
}

}  // namespace telinject
