#include "shim/http/digest.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "shim/http/client_hello.h"
#include "shim/http/fields.h"
#include "shim/http/grpc.h"

namespace telinject {

namespace {

constexpr size_t kMaxUrlBytes = 4096;
constexpr size_t kMaxErrorBytes = 512;
constexpr size_t kMaxGivenUp = 16384;

template <typename Head>
std::optional<Head> head_of(const LaneMessage& message) {
  if (message.bytes.size() < sizeof(Head)) return std::nullopt;
  Head head;
  std::memcpy(&head, message.bytes.data(), sizeof head);
  return head;
}

// At most `size` bytes of what follows the head, from `at` on.
std::string_view tail(const LaneMessage& message, size_t head, size_t at, size_t size) {
  std::string_view rest(message.bytes);
  rest.remove_prefix(std::min(head + at, rest.size()));
  return rest.substr(0, size);
}

template <typename Head>
void replace(LaneMessage* message, const Head& head, std::string_view content) {
  message->bytes.assign(reinterpret_cast<const char*>(&head), sizeof head);
  message->bytes.append(content);
}

// A user in a Host header or :authority belongs nowhere.
std::string_view without_user(std::string_view authority) {
  size_t sign = authority.rfind('@');
  return sign == authority.npos ? authority : authority.substr(sign + 1);
}

bool is_authority(std::string_view name) {
  return name == ":authority" || equal_ignoring_case(name, "host");
}

std::string version_text(const HeaderBlock& block) {
  return std::to_string(block.major) + "." + std::to_string(block.minor);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

// Appends to value_, which may have the field's value of before.
void HttpDigester::add_value(std::string_view name, std::string_view value) {
  value = trimmed(value);
  if (is_authority(name)) value = without_user(value);
  // Encoded, a secret might not look like one.
  bool encoded = equal_ignoring_case(name, "grpc-message");
  redactor_.header(name, encoded ? decode_grpc_message(value) : value, &scratch_);
  // Folded lines; an error in HTTP/2.
  for (char end : {'\r', '\n', '\0'}) {
    for (size_t at = scratch_.find(end); at != std::string::npos; at = scratch_.find(end, at + 1)) {
      scratch_[at] = ' ';
    }
  }
  value_ += scratch_;
}

// Several fields of one name become one, as RFC 9110, section 5.2, has it.
void HttpDigester::add_fields(const std::vector<HttpField>& fields, FieldWriter* out) {
  for (size_t i = 0; i < fields.size(); i++) {
    std::string_view name = fields[i].name;
    bool known =
        std::any_of(fields.begin(), fields.begin() + static_cast<ptrdiff_t>(i),
                    [&](const HttpField& other) { return equal_ignoring_case(other.name, name); });
    if (known || !is_http_token(name)) continue;
    value_.clear();
    add_value(name, fields[i].value);
    if (!redactor_.secret_header(name)) {
      for (size_t k = i + 1; k < fields.size(); k++) {
        if (!equal_ignoring_case(fields[k].name, name)) continue;
        value_ += ", ";
        add_value(name, fields[k].value);
      }
    }
    out->add(name, value_);
  }
}

// What a peer allows as a URL without a scheme ("user:password@host/?token=x") is one with it.
std::string HttpDigester::redacted_url(std::string_view url) {
  std::string whole(trimmed(url.substr(0, kMaxUrlBytes)));
  if (whole.find("://") == std::string::npos) whole.insert(0, "http://");
  std::string out;
  redactor_.url(whole, &out);
  return out;
}

// Fields without a start line. The parser gets one.
bool HttpDigester::trailers(std::string_view text, bool cut, FieldWriter* out) {
  constexpr std::string_view kStartLine = "HTTP/1.1 200 OK\r\n";
  if (!parser_.parse(std::string(kStartLine).append(text), /*request=*/false, cut, &block_)) {
    return false;
  }
  add_fields(block_.fields, out);
  return true;
}

bool HttpDigester::request(LaneMessage* message) {
  auto head = head_of<HttpRequestMessage>(*message);
  if (!head.has_value()) return false;
  bool cut = (head->flags & kHttpTruncated) != 0;
  std::string_view text = tail(*message, sizeof *head, 0, head->header_bytes);
  std::string content;
  FieldWriter fields(&content);
  if ((head->flags & kHttpTrailers) != 0) {
    if (!trailers(text, cut, &fields)) return false;
  } else {
    if (!parser_.parse(text, /*request=*/true, cut, &block_)) return false;
    fields.add(":method", block_.method);
    redactor_.url(block_.target, &scratch_);
    fields.add(":target", scratch_);
    fields.add(":version", version_text(block_));
    add_fields(block_.fields, &fields);
  }
  if (fields.cut()) head->flags |= kHttpTruncated;
  head->flags = static_cast<uint16_t>((head->flags & ~kHttpUndecoded) | kHttpDigest);
  head->header_bytes = static_cast<uint16_t>(content.size());
  replace(message, *head, content);
  return true;
}

bool HttpDigester::response(LaneMessage* message) {
  auto head = head_of<HttpResponseMessage>(*message);
  if (!head.has_value()) return false;
  bool cut = (head->flags & kHttpTruncated) != 0;
  std::string content;
  FieldWriter fields(&content);
  std::string_view text = tail(*message, sizeof *head, 0, head->header_bytes);
  if ((head->flags & kHttpTrailers) != 0) {
    if (!trailers(text, cut, &fields)) return false;
  } else {
    if (!parser_.parse(text, /*request=*/false, cut, &block_)) return false;
    fields.add(":status", std::to_string(block_.status));
    fields.add(":version", version_text(block_));
    add_fields(block_.fields, &fields);
  }
  if (fields.cut()) head->flags |= kHttpTruncated;
  head->flags = static_cast<uint16_t>((head->flags & ~kHttpUndecoded) | kHttpDigest);
  head->header_bytes = static_cast<uint16_t>(content.size());
  replace(message, *head, content);
  return true;
}

// What waits in the connection that goes can no longer be read, nor can what comes of it.
void HttpDigester::make_room(std::vector<LaneMessage>* out) {
  auto first =
      std::min_element(connections_.begin(), connections_.end(), [](const auto& a, const auto& b) {
        return std::pair(!a.second->closed, a.second->last_use) <
               std::pair(!b.second->closed, b.second->last_use);
      });
  lose(&first->second->sent, out);
  lose(&first->second->received, out);
  if (given_up_.insert(first->first).second) given_up_by_age_.push_back(first->first);
  if (given_up_by_age_.size() > kMaxGivenUp) {
    given_up_.erase(given_up_by_age_.front());
    given_up_by_age_.pop_front();
  }
  connections_.erase(first);
}

HttpDigester::Connection* HttpDigester::connection_of(const Key& key,
                                                      std::vector<LaneMessage>* out) {
  if (given_up_.contains(key)) return nullptr;
  auto found = connections_.find(key);
  if (found == connections_.end()) {
    if (connections_.size() >= kMaxConnections) make_room(out);
    found = connections_.emplace(key, std::make_unique<Connection>()).first;
  }
  found->second->last_use = ++uses_;
  return found->second.get();
}

// The connection's own end. Its state goes when all of its blocks have come.
void HttpDigester::closed(const LaneMessage& message, std::vector<LaneMessage>* out) {
  auto end = head_of<HttpEndMessage>(message);
  if (!end.has_value() || end->exchange != 0 || end->stream != 0 || end->half != 0) return;
  Key key = {message.segment, end->connection};
  Connection* connection = connection_of(key, out);
  if (connection == nullptr) return;
  connection->closed = true;
  connection->sent_blocks = end->sent_blocks;
  connection->received_blocks = end->received_blocks;
  if (connection->over()) connections_.erase(key);
}

// `direction` is null where nothing is known of it any more.
void HttpDigester::decode(LaneMessage* message, Direction* direction) {
  auto head = head_of<HttpHeadersMessage>(*message);
  std::string_view block = tail(*message, sizeof *head, 0, head->block_bytes);
  // The fields' texts are the decoder's, and gone with the next step.
  struct Place {
    size_t at, name, value;
  };
  std::string texts;
  std::vector<Place> places;
  constexpr size_t kMaxDecodedBytes = 4 * kMaxFieldsBytes, kMaxPlaces = 512;
  bool good = direction != nullptr && (head->flags & kHttpTruncated) == 0 &&
              !direction->order.lost() &&
              direction->decoder.decode(block, [&](std::string_view name, std::string_view value) {
                if (places.size() == kMaxPlaces ||
                    texts.size() + name.size() + value.size() > kMaxDecodedBytes) {
                  return;
                }
                places.push_back({texts.size(), name.size(), value.size()});
                texts.append(name).append(value);
              });
  if (!good && direction != nullptr) direction->order.lose();
  std::vector<HttpField> all;
  std::string content;
  FieldWriter fields(&content);
  for (const Place& place : places) {
    std::string_view text(texts);
    HttpField field = {text.substr(place.at, place.name),
                       text.substr(place.at + place.name, place.value)};
    if (!field.name.starts_with(':')) {
      all.push_back(field);
    } else if (field.name == ":path") {
      redactor_.url(field.value, &scratch_);
      fields.add(field.name, scratch_);
    } else if (field.name == ":authority") {
      fields.add(field.name, without_user(field.value));
    } else if (field.name == ":method" || field.name == ":scheme" || field.name == ":status") {
      fields.add(field.name, field.value);
    }
  }
  add_fields(all, &fields);
  if (fields.cut()) head->flags |= kHttpTruncated;
  if (!good) {
    content.clear();
    head->flags |= kHttpUndecoded;
  }
  head->flags |= kHttpDigest;
  head->block_bytes = static_cast<uint16_t>(content.size());
  replace(message, *head, content);
}

void HttpDigester::tell(LaneMessage message, Direction* direction, std::vector<LaneMessage>* out) {
  direction->held_bytes -= message.bytes.size();
  direction->told++;
  decode(&message, direction);
  out->push_back(std::move(message));
}

// A block of it is missing for good: those that wait are told all the same.
void HttpDigester::lose(Direction* direction, std::vector<LaneMessage>* out) {
  direction->order.lose();
  direction->order.give_up([&](LaneMessage held) { tell(std::move(held), direction, out); });
}

bool HttpDigester::headers(LaneMessage message, std::vector<LaneMessage>* out) {
  auto head = head_of<HttpHeadersMessage>(message);
  if (!head.has_value()) return true;
  head->flags = static_cast<uint16_t>(head->flags & ~(kHttpDigest | kHttpUndecoded));
  std::memcpy(message.bytes.data(), &*head, sizeof *head);
  Key key = {message.segment, head->connection};
  Connection* connection = connection_of(key, out);
  if (connection == nullptr) {
    decode(&message, nullptr);
    out->push_back(std::move(message));
    return true;
  }
  bool received = (head->flags & kHttpFromPeer) != 0;
  Direction* direction = received ? &connection->received : &connection->sent;
  direction->held_bytes += message.bytes.size();
  if (direction->held_bytes > kMaxHeldBytes) direction->order.lose();
  bool told = false;
  auto tell_next = [&](LaneMessage next) {
    told = true;  // it comes first: the others waited for it
    tell(std::move(next), direction, out);
  };
  if (!direction->order.take(head->sequence, &message, tell_next)) tell_next(std::move(message));
  if (direction->order.lost()) lose(direction, out);
  if (connection->over()) connections_.erase(key);
  return told;
}

void HttpDigester::give_up(uint32_t segment, uint32_t lane, std::vector<LaneMessage>* out) {
  for (auto& [key, connection] : connections_) {
    if (key.first != segment) continue;
    for (Direction* direction : {&connection->sent, &connection->received}) {
      bool waits =
          direction->order.holds([&](const LaneMessage& message) { return message.lane == lane; });
      if (waits) lose(direction, out);
    }
  }
}

bool HttpDigester::transfer(LaneMessage* message) {
  auto head = head_of<HttpTransferMessage>(*message);
  if (!head.has_value()) return false;
  std::string url = redacted_url(tail(*message, sizeof *head, 0, head->url_bytes));
  head->url_bytes = static_cast<uint16_t>(url.size());
  head->reserved = kHttpDigest;
  replace(message, *head, url);
  return true;
}

bool HttpDigester::transfer_end(LaneMessage* message) {
  auto head = head_of<HttpTransferEndMessage>(*message);
  if (!head.has_value()) return false;
  size_t at = 0;
  auto next = [&](size_t size) {
    std::string_view text = tail(*message, sizeof *head, at, size);
    at += size;
    return text;
  };
  std::string content(next(head->peer_bytes));
  std::string url = redacted_url(next(head->url_bytes)), error;
  redactor_.url(next(head->error_bytes).substr(0, kMaxErrorBytes), &error);
  std::string_view method = next(head->method_bytes);
  if (head->url_bytes == 0) url.clear();
  head->peer_bytes = static_cast<uint16_t>(content.size());
  head->url_bytes = static_cast<uint16_t>(url.size());
  head->error_bytes = static_cast<uint16_t>(error.size());
  head->method_bytes = static_cast<uint16_t>(method.size());
  head->reserved = kHttpDigest;
  content.append(url).append(error).append(method);
  replace(message, *head, content);
  return true;
}

bool HttpDigester::tls(LaneMessage* message) {
  auto head = head_of<TlsConnectionMessage>(*message);
  if (!head.has_value()) return false;
  ClientHello hello;
  std::string content;
  FieldWriter fields(&content);
  if (parse_client_hello(tail(*message, sizeof *head, 0, head->hello_bytes), &hello)) {
    fields.add(":server_name", hello.server_name);
    fields.add(":protocols", hello.protocols);
    fields.add(":version", tls_version_text(hello.version));
  }
  head->hello_bytes = static_cast<uint16_t>(content.size());
  head->reserved[0] = kHttpDigest;
  replace(message, *head, content);
  return true;
}

bool HttpDigester::take(LaneMessage message, std::vector<LaneMessage>* out) {
  switch (message.type) {
    case MessageType::kHttpHeaders:
      return headers(std::move(message), out);
    case MessageType::kHttpRequest:
      if (!request(&message)) return true;
      break;
    case MessageType::kHttpResponse:
      if (!response(&message)) return true;
      break;
    case MessageType::kHttpTransfer:
      if (!transfer(&message)) return true;
      break;
    case MessageType::kHttpTransferEnd:
      if (!transfer_end(&message)) return true;
      break;
    case MessageType::kTlsConnection:
      if (!tls(&message)) return true;
      break;
    case MessageType::kHttpEnd:
      closed(message, out);
      break;
    default:
      break;
  }
  out->push_back(std::move(message));
  return true;
}

void HttpDigester::forget(uint32_t segment) {
  absl::erase_if(connections_, [&](const auto& entry) { return entry.first.first == segment; });
  absl::erase_if(given_up_, [&](const Key& key) { return key.first == segment; });
  std::erase_if(given_up_by_age_, [&](const Key& key) { return key.first == segment; });
}

}  // namespace telinject
