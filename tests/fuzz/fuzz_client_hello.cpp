// Any bytes as a TLS ClientHello.
#include "shim/http/client_hello.h"
#include "tests/fuzz/input.h"

using namespace telinject;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ClientHello hello;
  // In memory of its own: the address sanitizer sees a step beyond.
  std::vector<char> bytes(data, data + size);
  bool good = parse_client_hello({bytes.data(), bytes.size()}, &hello);
  fuzz::require(good || (hello.server_name.empty() && hello.protocols.empty()));
  fuzz::require(hello.server_name.size() <= 255 && hello.protocols.size() <= 512);
  for (char c : hello.server_name + hello.protocols) fuzz::require(c > ' ' && c < 0x7f);
  tls_version_text(hello.version);
  return 0;
}
