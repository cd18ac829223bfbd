// What is wrong with a file of events.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace telinject::validate {

// `rule`: a word for the kind of fault, as docs/output.md lists them. `line`: from 1.
struct Fault {
  std::string_view rule;
  uint64_t line;
  std::string text;
};
using TellFault = std::function<void(Fault fault)>;

}  // namespace telinject::validate
