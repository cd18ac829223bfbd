#include "shim/drain/main/schema_command.h"

#include <memory>

#include "shim/drain/base/warn.h"
#include "shim/events/registry/registry.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

int print_schema(const std::string& option) {
  using registry::View;
  View view = option == "--json" ? View::kJson : option == "--otel" ? View::kOtel : View::kText;
  if (view == View::kText && !option.empty()) {
    StandardError::use();
    warn("schema takes --json or --otel, not ", printable(option));
    return 2;
  }
  std::unique_ptr<Sink> output = open_stdout_sink();
  return output != nullptr && output->write(registry::schema_text(view)) == 0 ? 0 : 1;
}

}  // namespace telinject::drain
