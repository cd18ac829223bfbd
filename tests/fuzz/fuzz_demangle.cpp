// Names of symbols: bounded, whatever the text.
#include <string>

#include "shim/symbols/demangle.h"
#include "tests/fuzz/input.h"

using namespace telinject;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string symbol(reinterpret_cast<const char*>(data), size);
  for (const std::string& text : {symbol, "_Z" + symbol, "_R" + symbol}) {
    std::string name = function_name(text);
    demangle(text);
    fuzz::require(without_clone_suffix(text).size() <= text.size());
    unified_constructor(text);
  }
  return 0;
}
