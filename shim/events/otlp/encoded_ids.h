// Ids of traces and spans as OTLP has them, bytes, the highest first; and their flags.
#pragma once

#include <cstdint>
#include <protozero/pbf_writer.hpp>

#include "shim/channel/ids.h"
#include "shim/events/otlp/proto_fields.h"

namespace telinject::otlp {

constexpr uint32_t kSampledFlag = 1;  // of spans and log records

inline void add_id(protozero::pbf_writer* to, field::Tag tag, uint64_t id) {
  uint64_t bytes = __builtin_bswap64(id);
  to->add_bytes(tag, reinterpret_cast<const char*>(&bytes), sizeof bytes);
}

inline void add_id(protozero::pbf_writer* to, field::Tag tag, TraceId id) {
  uint64_t bytes[] = {__builtin_bswap64(id.hi), __builtin_bswap64(id.lo)};
  to->add_bytes(tag, reinterpret_cast<const char*>(bytes), sizeof bytes);
}

}  // namespace telinject::otlp
