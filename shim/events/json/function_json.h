// The constant parts of the events of a function and call site.
#pragma once

#include <string>

#include "shim/events/event.h"

namespace telinject {

struct FunctionJson {
  std::string entry_head;  // ,"event_type":"function_entry","severity":"INFO","function_name":"f"
  std::string exit_head;   // the same of an exit without an error
  std::string name;        // ,"function_name":"f"
  // Full detail only.
  std::string entry;        // ,"message":"Function 'f' entry",...,"attributes":{...,
  std::string exit_before;  // ,"message":"Function 'f' exit (
  std::string exit_after;   // ms)",...,"attributes":{...,
};
FunctionJson make_function_json(const FunctionInfo& function, bool lean);

// Members that each end in a comma.
std::string function_attributes(const FunctionInfo& function);

}  // namespace telinject
