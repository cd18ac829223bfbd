// A conversation in HTTP/1: the input says which bytes pass which way, and how they are cut.
// Whatever the cut, the same is reported; and it is not more than the bytes can be.
#include <cstdint>
#include <string>

#include "fuzz/http_conversation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  telinject::program::heard::check_conversation(data, size, "");
  return 0;
}
