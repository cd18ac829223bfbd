// Messages in pieces, in any order.
#include "shim/drain/records/message_assembler.h"
#include "tests/fuzz/input.h"

using namespace telinject;
using namespace telinject::drain;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  MessageAssembler assembler;
  while (!input.empty()) {
    if (input.byte() % 4 == 0) {
      assembler.begin(input.get<uint16_t>(), input.get<uint16_t>());
      continue;
    }
    uint64_t record[4] = {1, input.get<uint64_t>(), input.get<uint64_t>(), input.get<uint64_t>()};
    std::optional<AssembledMessage> message = assembler.add(record);
    if (!message.has_value()) continue;
    fuzz::require(!message->bytes.empty() && message->bytes.size() <= kMaxAssembledBytes);
    message->head<ThreadMessage>();
    if (message->head<ModuleMessage>()) message->tail(sizeof(ModuleMessage));
    message->head<ModuleGoneMessage>();
  }
  return 0;
}
