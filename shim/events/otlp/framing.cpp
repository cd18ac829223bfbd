#include "shim/events/otlp/framing.h"

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>
#include <utility>
#include <vector>

#include "shim/events/otlp/json_transcoder.h"
#include "shim/events/otlp/proto_fields.h"
#include "shim/events/registry/registry.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;
namespace request = field::request;

constexpr std::string_view kKinds[] = {"otlp-traces", "otlp-logs"};
// Of a saved framing.
constexpr field::Tag kGroupField = 1, kGroupResource = 1, kGroupScope = 2;

constexpr size_t kTagBytes = 1;

void append_length(std::string* message, field::Tag tag, size_t bytes) {
  constexpr field::Tag kLengthDelimited = 2;
  message->push_back(static_cast<char>(tag << 3 | kLengthDelimited));
  protozero::add_varint_to_buffer(message, bytes);
}

void add_url(std::string* message, field::Tag tag) {
  pbf_writer(*message).add_string(tag, registry::kSchemaUrl.data(), registry::kSchemaUrl.size());
}

}  // namespace

std::string encoded_scope(std::string_view name) {
  std::string scope;
  pbf_writer writer(scope);
  writer.add_string(field::scope::kName, name.data(), name.size());
  writer.add_string(field::scope::kVersion, TELINJECT_VERSION);
  return scope;
}

bool OtlpFraming::add_group(std::shared_ptr<const std::string> resource, std::string_view scope,
                            uint32_t* group) {
  uint32_t number = count_.load(std::memory_order_relaxed);
  if (number == kMostGroups) return false;
  groups_[number] = {std::move(resource), std::string(scope)};
  count_.store(number + 1, std::memory_order_release);
  *group = number;
  return true;
}

std::string_view OtlpFraming::kind() const {
  return kKinds[static_cast<size_t>(signal_)];
}

void OtlpFraming::append_protobuf(const delivery::Batch& batch, size_t from, size_t to,
                                  std::string* body) const {
  std::array<size_t, kMostGroups> bytes = {};
  uint32_t count = count_.load(std::memory_order_acquire);
  for (size_t i = from; i < to; i++) {
    if (batch.group(i) < count) bytes[batch.group(i)] += batch.item(i).size();
  }
  for (uint32_t group = 0; group < count; group++) {
    if (bytes[group] == 0) continue;
    std::string resource_head, scope_head;
    pbf_writer(resource_head).add_message(request::kResource, *groups_[group].resource);
    add_url(&resource_head, request::kResourceSchemaUrl);
    pbf_writer(scope_head).add_message(request::kScope, encoded_scope(groups_[group].scope));
    add_url(&scope_head, request::kScopeSchemaUrl);
    // Lengths first, so that nothing is moved to make room for them.
    size_t scope = scope_head.size() + bytes[group];
    size_t resource = resource_head.size() + kTagBytes + protozero::length_of_varint(scope) + scope;
    append_length(body, request::kResources, resource);
    body->append(resource_head);
    append_length(body, request::kScopes, scope);
    body->append(scope_head);
    for (size_t i = from; i < to; i++) {
      if (batch.group(i) == group) body->append(batch.item(i));
    }
  }
}

void OtlpFraming::append_body(const delivery::Batch& batch, size_t from, size_t to,
                              std::string* body) const {
  if (format_ == Format::kProtobuf) return append_protobuf(batch, from, to, body);
  std::string message;
  append_protobuf(batch, from, to, &message);
  append_json(message, signal_, body);
}

std::string OtlpFraming::save() const {
  std::string saved;
  pbf_writer writer(saved);
  uint32_t count = count_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; i++) {
    pbf_writer group(writer, kGroupField);
    group.add_bytes(kGroupResource, *groups_[i].resource);
    group.add_bytes(kGroupScope, groups_[i].scope);
  }
  return saved;
}

std::shared_ptr<const delivery::Framing> restore_framing(std::string_view kind,
                                                         std::string_view saved, Format format) {
  for (size_t i = 0; i < std::size(kKinds); i++) {
    if (kind != kKinds[i]) continue;
    auto framing = std::make_shared<OtlpFraming>(static_cast<Signal>(i), format);
    try {
      pbf_reader reader(saved.data(), saved.size());
      while (reader.next()) {
        pbf_reader group = reader.get_message();
        std::string resource, scope;
        while (group.next()) {
          (group.tag() == kGroupResource ? resource : scope) = group.get_bytes();
        }
        uint32_t number;
        if (!framing->add_group(std::make_shared<std::string>(resource), scope, &number)) {
          return nullptr;
        }
      }
    } catch (const protozero::exception&) {
      return nullptr;
    }
    return framing;
  }
  return nullptr;
}

}  // namespace telinject::otlp
