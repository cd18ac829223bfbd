// The same in HTTP/2: behind the preface and SETTINGS of both sides, which chance seldom finds.
#include <cstdint>
#include <string>

#include "fuzz/http_conversation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  telinject::program::heard::check_conversation(
      data, size, std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33));
  return 0;
}
