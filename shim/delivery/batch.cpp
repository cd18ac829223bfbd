#include "shim/delivery/batch.h"

namespace telinject::delivery {

void Batch::add(std::string_view bytes, TraceId trace, uint32_t group) {
  if (group != 0 && groups.empty()) groups.resize(ends.size());
  encoded.append(bytes);
  ends.push_back(static_cast<uint32_t>(encoded.size()));
  traces.push_back(trace);
  if (group != 0 || !groups.empty()) groups.push_back(group);
}

Batch Batch::part(size_t from, size_t to) const {
  Batch part;
  part.framing = framing;
  for (size_t i = from; i < to; i++) part.add(item(i), traces[i], group(i));
  return part;
}

void Batch::append(const Batch& more) {
  auto before = static_cast<uint32_t>(encoded.size());
  if (!more.groups.empty() && groups.empty()) groups.resize(ends.size());
  encoded.append(more.encoded);
  for (uint32_t end : more.ends) ends.push_back(before + end);
  traces.insert(traces.end(), more.traces.begin(), more.traces.end());
  if (groups.empty()) return;
  groups.insert(groups.end(), more.groups.begin(), more.groups.end());
  groups.resize(ends.size());
}

}  // namespace telinject::delivery
