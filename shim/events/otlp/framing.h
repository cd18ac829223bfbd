// What surrounds spans and log records in a request of OTLP: resources and scopes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/delivery/batch.h"

namespace telinject::otlp {

enum class Signal : uint8_t { kTraces, kLogs, kMetrics };
enum class Format : uint8_t { kProtobuf, kJson };

// A scope of this name, encoded.
std::string encoded_scope(std::string_view name);

// An item of a batch is the field of its scope that holds one span or log record, tag and
// length included. Its group is a resource and a scope of this framing.
class OtlpFraming final : public delivery::Framing {
 public:
  static constexpr uint32_t kMostGroups = 64;

  OtlpFraming(Signal signal, Format format) : signal_(signal), format_(format) {}

  // By one thread, while batches that refer to groups from before may be in use: those stay as they
  // are. The resource is an encoded one. False if there is no room for another.
  bool add_group(std::shared_ptr<const std::string> resource, std::string_view scope,
                 uint32_t* group);

  void append_body(const delivery::Batch& batch, size_t from, size_t to,
                   std::string* body) const override;
  // "otlp-traces", "otlp-logs"
  std::string_view kind() const override;
  std::string save() const override;

 private:
  struct Group {
    std::shared_ptr<const std::string> resource;
    std::string scope;
  };
  void append_protobuf(const delivery::Batch& batch, size_t from, size_t to,
                       std::string* body) const;

  const Signal signal_;
  const Format format_;
  std::array<Group, kMostGroups> groups_;
  std::atomic<uint32_t> count_{0};
};

// Of a saved one; null if it is none, or of no kind of OTLP's.
std::shared_ptr<const delivery::Framing> restore_framing(std::string_view kind,
                                                         std::string_view saved, Format format);

}  // namespace telinject::otlp
