// The one place that sees raw header blocks. What leaves it is decoded, and free of secrets: so
// nothing behind it, the spool and recordings included, can write one down.
//
// A digest is the message that it was made of (http_message.h), with kHttpDigest in its flags and
// fields (fields.h) in place of the block:
//
//   kHttpRequest      ":method", ":target", ":version", then the header fields
//   kHttpResponse     ":status", ":version", then the header fields
//   kHttpHeaders      the fields of HTTP/2's block; none, and kHttpUndecoded, if it cannot be read
//   kHttpTransfer     the URL, kHttpTransferEnd the URL and the error's text, redacted
//   kTlsConnection    ":server_name", ":protocols", ":version" of the ClientHello
//
// The other messages have no secrets and stay as they are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/channel/http_message.h"
#include "shim/channel/message.h"
#include "shim/http/header_block.h"
#include "shim/http/hpack.h"
#include "shim/redaction/redactor.h"

namespace telinject {

// Besides HttpFlags. No program can set them: they are taken off what it sent.
enum HttpDigestFlags : uint16_t { kHttpDigest = 0x4000, kHttpUndecoded = 0x8000 };

// A message and its place: of a segment, by a number of the caller's.
struct HttpMessage {
  uint32_t segment = 0, lane = 0;
  uint64_t position = 0, ticks = 0;
  MessageType type = {};
  std::string bytes;
};

constexpr bool is_http(MessageType type) {
  return type >= MessageType::kHttpConnection && type <= MessageType::kTlsConnection;
}

class HttpDigester {
 public:
  // HTTP/2 connections whose compression is followed, at most: of more, those that have been quiet
  // longest are given up.
  static constexpr size_t kMaxConnections = 1024;
  // Blocks of one direction that wait for one before them: this and what is being decoded.
  static constexpr size_t kMaxHeldBytes = 64 << 10;

  explicit HttpDigester(redaction::Redactor redactor = redaction::Redactor())
      : redactor_(std::move(redactor)) {}

  // Appends what is to go on instead: nothing as long as a block before this one is missing; then
  // all that waited for it.
  void take(HttpMessage message, std::vector<HttpMessage>* out);
  // The segment is over.
  void forget(uint32_t segment);

  size_t connections() const { return connections_.size(); }

 private:
  using Key = std::pair<uint32_t, uint64_t>;
  struct Direction {
    HpackDecoder decoder;
    BlockOrder<HttpMessage> order;
    size_t held_bytes = 0;
  };
  struct Connection {
    Direction sent, received;
    uint64_t last_use = 0;
  };

  // Each false if the message makes no sense.
  bool request(HttpMessage* message);
  bool response(HttpMessage* message);
  bool headers(HttpMessage message, std::vector<HttpMessage>* out);
  void decode(HttpMessage* message, Direction* direction);
  bool transfer(HttpMessage* message);
  bool transfer_end(HttpMessage* message);
  bool tls(HttpMessage* message);
  Direction* direction_of(const HttpMessage& message, const HttpHeadersMessage& head);
  void add_fields(const std::vector<HttpField>& fields, FieldWriter* out);
  void add_value(std::string_view name, std::string_view value);
  std::string redacted_url(std::string_view url);

  redaction::Redactor redactor_;
  HeaderBlockParser parser_;
  HeaderBlock block_;
  std::string value_, scratch_;
  absl::flat_hash_map<Key, std::unique_ptr<Connection>> connections_;
  uint64_t uses_ = 0;
};

}  // namespace telinject
