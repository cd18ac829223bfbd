#include "hooks/errors/what_interpreter.h"

#include "arch/x86_64/interpreter.h"
#include "hooks/lane/services.h"

namespace telinject::program {

namespace {

bool find_code(uintptr_t address, uintptr_t* start, uintptr_t* end) {
  CodeRange range;
  if (!find_module(address, &range)) return false;
  *start = range.start;
  *end = range.end;
  return true;
}

}  // namespace

uintptr_t read_what(uintptr_t exception) {
  // In the Itanium C++ ABI what() follows the two destructors in the vtable. A thrown object is
  // complete, so it has one.
  auto* table = *reinterpret_cast<const uintptr_t* const*>(exception);
  arch::InterpreterHost host = {peek_memory, find_code, is_hook, bind_function};
  uintptr_t text;
  return arch::interpret(table[2], exception, host, &text) ? text : 0;
}

}  // namespace telinject::program
