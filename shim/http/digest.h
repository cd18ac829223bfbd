// The only code that sees raw header blocks. Its results are decoded and redacted, so no later
// stage, including spool and recordings, can write a secret.
//
// A digest is the message (http_message.h) with kHttpDigest in its flags and decoded fields
// (fields.h) instead of the block:
//
//   kHttpRequest      ":method", ":target", ":version", then the header fields
//   kHttpResponse     ":status", ":version", then the header fields
//                     both, with kHttpTrailers: the fields
//   kHttpHeaders      the fields of HTTP/2's block; none, and kHttpUndecoded, if it cannot be read
//   kHttpTransfer     the URL, kHttpTransferEnd the URL and the error's text, redacted
//   kTlsConnection    ":server_name", ":protocols", ":version" of the ClientHello
//
// Other messages contain no secrets and are not changed.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shim/channel/http_message.h"
#include "shim/channel/message.h"
#include "shim/http/header_block.h"
#include "shim/http/hpack.h"
#include "shim/messages/message_redactor.h"
#include "shim/redaction/redactor.h"

namespace telinject {

// In addition to HttpFlags. A program cannot set them: they are cleared in what it sends.
enum HttpDigestFlags : uint16_t { kHttpDigest = 0x4000, kHttpUndecoded = 0x8000 };

constexpr bool is_http(MessageType type) {
  return type >= MessageType::kHttpConnection && type <= MessageType::kTlsConnection;
}

class HttpDigester final : public MessageRedactor {
 public:
  // At most so many HTTP/2 connections are decoded at a time. Beyond that, those that are closed or
  // have been quiet longest are given up.
  static constexpr size_t kMaxConnections = 1024;
  // Blocks of one direction that wait for an earlier one, including the one being decoded.
  static constexpr size_t kMaxHeldBytes = 1 << 20;

  explicit HttpDigester(redaction::Redactor redactor = redaction::Redactor())
      : redactor_(std::move(redactor)) {}

  bool takes(MessageType type) const override { return is_http(type); }
  // A block waits as long as one before it is missing.
  bool take(LaneMessage message, std::vector<LaneMessage>* out) override;
  void give_up(uint32_t segment, uint32_t lane, std::vector<LaneMessage>* out) override;
  void forget(uint32_t segment) override;

  size_t connections() const { return connections_.size(); }

 private:
  using Key = std::pair<uint32_t, uint64_t>;
  struct Direction {
    HpackDecoder decoder;
    BlockOrder<LaneMessage> order;
    size_t held_bytes = 0;
    uint32_t told = 0;  // blocks
  };
  struct Connection {
    Direction sent, received;
    uint64_t last_use = 0;
    // The connection is closed and had so many blocks; other lanes may still deliver some of them.
    bool closed = false;
    uint32_t sent_blocks = 0, received_blocks = 0;

    bool over() const {
      return closed && sent.told >= sent_blocks && received.told >= received_blocks;
    }
  };
  using Connections = absl::flat_hash_map<Key, std::unique_ptr<Connection>>;

  // Each returns false if the message is malformed; headers() as take().
  bool request(LaneMessage* message);
  bool trailers(std::string_view text, bool cut, FieldWriter* out);
  bool response(LaneMessage* message);
  bool headers(LaneMessage message, std::vector<LaneMessage>* out);
  void decode(LaneMessage* message, Direction* direction);
  void tell(LaneMessage message, Direction* direction, std::vector<LaneMessage>* out);
  void lose(Direction* direction, std::vector<LaneMessage>* out);
  void make_room(std::vector<LaneMessage>* out);
  bool transfer(LaneMessage* message);
  bool transfer_end(LaneMessage* message);
  bool tls(LaneMessage* message);
  void closed(const LaneMessage& message, std::vector<LaneMessage>* out);
  // Null if it was given up.
  Connection* connection_of(const Key& key, std::vector<LaneMessage>* out);
  void add_fields(const std::vector<HttpField>& fields, FieldWriter* out);
  void add_value(std::string_view name, std::string_view value);
  std::string redacted_url(std::string_view url);

  redaction::Redactor redactor_;
  HeaderBlockParser parser_;
  HeaderBlock block_;
  std::string value_, scratch_;
  Connections connections_;
  uint64_t uses_ = 0;
  // The connections that were given up last: their later blocks cannot be decoded.
  absl::flat_hash_set<Key> given_up_;
  std::deque<Key> given_up_by_age_;
};

}  // namespace telinject
