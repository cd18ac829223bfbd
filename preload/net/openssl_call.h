// A call on an SSL*, by the program (wrap_openssl.cpp) or by a BIO (wrap_bio.cpp).
//
// Only bytes that passed count: a call that wants to be repeated (SSL_ERROR_WANT_*) tells nothing.
// `library` is any function of the library that the SSL* is of.
//
// Safety class: as hooks/http/traffic.h; asks the library by its own functions.
#pragma once

#include "preload/net/tls_call.h"

namespace telinject::program {

inline constexpr HttpLayer kOpensslLayer = HttpLayer::kOpenssl;

// Bytes passed. (The first ones say that the handshake is over, too.)
void openssl_passed(const TlsCall& call, Way way, const void* ssl, const void* data, size_t bytes,
                    const void* library);
// None did, `result` is why.
void openssl_passed_nothing(const TlsCall& call, Way way, const void* ssl, int result,
                            const void* library);
// A handshake is over.
void openssl_connected(const TlsCall& call, const void* ssl, const void* library);

// A call that passes data: `real` makes it and returns its result, `bytes` says how many passed.
template <typename Real, typename Bytes>
auto openssl_transfer(const void* library, Way way, const void* ssl, const void* data, Real&& real,
                      Bytes&& bytes) {
  TlsCall call(ssl, kOpensslLayer, way);
  auto result = real();
  size_t passed = bytes(result);
  if (passed == 0) {
    openssl_passed_nothing(call, way, ssl, static_cast<int>(result), library);
  } else {
    openssl_passed(call, way, ssl, data, passed, library);
  }
  return result;
}

}  // namespace telinject::program
