// HTTP messages of any content and in any order, from a segment to events: each line is JSON, an
// exchange has one request and one response event, and no secret is in any.
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "shim/channel/http_message.h"
#include "tests/fuzz/events.h"
#include "tests/fuzz/input.h"
#include "tests/unit/drain/test_drain.h"

using namespace telinject;
using namespace telinject::test;

namespace {

constexpr uint32_t kLanes = 2;
constexpr size_t kMaxSteps = 300;

struct Player {
  explicit Player(fuzz::Input* steps) : input(steps) {
    for (uint32_t lane = 0; lane < kLanes; lane++) {
      lanes.emplace_back(&segment, lane);
      ThreadMessage message = {};
      message.pid = kTestOsPid;
      message.tid = static_cast<int>(lane + 1);
      message.process = 1 + (input->byte() & 1u) * lane;
      message.stack_lo = 0x7ffe00000000;
      message.stack_hi = message.stack_lo + 0x100000;
      lanes[lane].message(++ticks, MessageType::kThread, &message, sizeof message);
    }
  }

  LaneWriter& lane() {
    LaneWriter& writer = lanes[input->byte() % kLanes];
    if (writer.offset() + 16384 > kChunkBytes) writer.next_chunk();
    full = full || segment.header()->fresh_chunks.load() == segment.chunk_count();
    return writer;
  }
  template <typename Head>
  void put(MessageType type, const Head& head, const std::string& tail) {
    LaneWriter& writer = lane();
    if (full) return;
    std::string bytes(reinterpret_cast<const char*>(&head), sizeof head);
    bytes += tail;
    writer.message(ticks += input->byte(), type, bytes.data(), bytes.size());
  }
  HttpContext context() {
    HttpContext out = {};
    out.parent = static_cast<HttpParent>(input->byte() % 4);
    out.sampled = input->byte() % 4 != 0;
    out.root_number = input->byte();
    out.trace = {input->byte(), 1, input->byte() + 1u, input->byte() % 2u, 1};
    return out;
  }
  std::string text() { return input->bytes(input->byte()); }
  std::string secrets() { return "Cookie: hunter2\r\nX-Api-Key: hunter2\r\n"; }

  void step() {
    switch (input->byte() % 10) {
      case 0: {
        HttpConnectionMessage head = {};
        head.connection = input->byte() % 4;
        head.role = static_cast<HttpRole>(input->byte() % 3);
        head.family = input->byte() % 12;
        head.tls_version = input->byte() % 2 ? 0x0304 : 0;
        head.peer_path_bytes = input->byte();
        head.server_name_bytes = input->byte();
        head.peer_port = input->byte();
        put(MessageType::kHttpConnection, head, text());
        break;
      }
      case 1: {
        HttpRequestMessage head = {};
        std::string block = "GET /?token=hunter2 HTTP/1.1\r\n" + secrets() + text();
        head.connection = input->byte() % 4;
        head.exchange = input->byte() % 4;
        head.flags = input->byte();
        head.context = context();
        head.transfer = input->byte() % 3;
        head.start_ticks = ticks - input->byte();
        head.header_bytes = static_cast<uint16_t>(block.size());
        put(MessageType::kHttpRequest, head, block);
        break;
      }
      case 2: {
        HttpResponseMessage head = {};
        std::string block = "HTTP/1.1 " + text() + "\r\nSet-Cookie: hunter2\r\n" + text();
        head.connection = input->byte() % 4;
        head.exchange = input->byte() % 4;
        head.flags = input->byte();
        head.header_bytes = static_cast<uint16_t>(block.size());
        put(MessageType::kHttpResponse, head, block);
        break;
      }
      case 3:
      case 4: {
        HttpHeadersMessage head = {};
        // "cookie: hunter2", literal, never indexed.
        std::string block = text() + std::string("\x1f\x11\x07hunter2", 10);
        head.connection = input->byte() % 4;
        head.stream = input->byte() % 4;
        head.sequence = input->byte() % 8;
        head.flags = input->byte();
        head.context = context();
        head.block_bytes = static_cast<uint16_t>(block.size());
        put(MessageType::kHttpHeaders, head, block);
        break;
      }
      case 5: {
        HttpEndMessage head = {};
        head.connection = input->byte() % 4;
        head.exchange = input->byte() % 4;
        head.stream = input->byte() % 3;
        head.half = input->byte() % 2;
        head.flags = input->byte();
        head.error = static_cast<int8_t>(input->byte());
        head.reason = static_cast<HttpEndReason>(input->byte() % 9);
        head.sent_blocks = input->byte() % 4;
        head.received_blocks = input->byte() % 4;
        put(MessageType::kHttpEnd, head, "");
        break;
      }
      case 6: {
        HttpTransferMessage head = {};
        std::string url = "http://user:hunter2@host/" + text();
        head.transfer = input->byte() % 3;
        head.context = context();
        head.ids = input->byte();
        head.url_bytes = static_cast<uint16_t>(url.size());
        put(MessageType::kHttpTransfer, head, url);
        break;
      }
      case 7: {
        HttpTransferEndMessage head = {};
        head.transfer = input->byte() % 3;
        head.result = static_cast<int8_t>(input->byte());
        head.response_code = input->byte() * 4;
        head.connect_us = input->get<int64_t>();
        std::string url = "http://user:hunter2@host/" + text();
        head.url_bytes = static_cast<uint16_t>(url.size());
        head.error_bytes = input->byte();
        put(MessageType::kHttpTransferEnd, head, url + text());
        break;
      }
      case 8: {
        TlsConnectionMessage head = {};
        head.connection = input->byte() % 4;
        head.end_ticks = input->byte() % 2 ? ticks : 0;
        head.context = context();
        std::string hello = text();
        head.hello_bytes = static_cast<uint16_t>(hello.size());
        put(MessageType::kTlsConnection, head, hello);
        break;
      }
      case 9: {
        LaneWriter& writer = lane();
        if (full) break;
        uint64_t function = 0x401000 + input->byte() % 4u;
        if (input->byte() % 2 != 0) {
          writer.entry(ticks += 1, function, 0x402000, 0x7ffe000ff000 - input->byte() * 16u,
                       0x401004);
        } else {
          writer.exit(ticks += 1, function, 0x7ffe000ff000);
        }
        break;
      }
    }
  }

  fuzz::Input* input;
  TestSegment segment{kLanes};
  std::vector<LaneWriter> lanes;
  uint64_t ticks = ClockMap::now(ClockKind::kMonotonic);
  bool full = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  Player player(&input);
  for (size_t i = 0; i < kMaxSteps && !input.empty() && !player.full; i++) player.step();
  DrainRun run = test::drain(&player.segment, {{kTestOsPid, {true, 0}}});
  fuzz::require(run.lines.find("hunter2") == std::string::npos ||
                std::string(data, data + size).find("hunter2") != std::string::npos);
  std::map<std::string, int> spans;
  fuzz::check_events(run.lines, [&](const nlohmann::json& event) {
    if (event["event_type"] == "http_request") fuzz::require(spans[event["span_id"]]++ == 0);
    if (event["event_type"] == "http_response") fuzz::require(spans[event["span_id"]]++ == 1);
  });
  for (const auto& [span, events] : spans) fuzz::require(events == 2);
  return 0;
}
