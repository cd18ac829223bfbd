// What framing reports, as text, one line a report: the other end of hooks/http/report.h, in place
// of the one that writes into a lane.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hooks/http/connection.h"
#include "shim/channel/message.h"

namespace telinject::program::heard {

// The reports since the last clear.
extern std::vector<std::string> g_lines;
std::string text();
// The same reports, as the messages that a lane would get, if g_keeps_messages.
struct Told {
  MessageType type;
  std::string bytes;
};
extern std::vector<Told> g_messages;
extern bool g_keeps_messages;
// Requests whose header block contains this are not to be recorded; "": all are.
extern std::string g_left_out;

// Bytes that pass in one direction, at one time.
struct Passing {
  Way way;
  std::string bytes;
};

// A connection of the pool, given back at the end.
class Wire {
 public:
  explicit Wire(HttpRole role = HttpRole::kUnknown);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  Wire& pass(Way way, std::string_view bytes);
  Wire& sent(std::string_view bytes) { return pass(Way::kSent, bytes); }
  Wire& received(std::string_view bytes) { return pass(Way::kReceived, bytes); }
  Wire& unseen(Way way, uint64_t bytes);
  Wire& ended(Way way);
  Wire& closed(HttpEndReason reason = HttpEndReason::kClosed, int error = 0);
  Connection& connection() { return *connection_; }

 private:
  Connection* connection_;
  uint64_t now_ = 1;
};

// The reports on a conversation whose parts are cut into pieces of at most `piece` bytes, and the
// first piece of each part after `first` bytes.
std::string cut(const std::vector<Passing>& conversation, size_t first, size_t piece,
                HttpRole role = HttpRole::kUnknown);

}  // namespace telinject::program::heard
