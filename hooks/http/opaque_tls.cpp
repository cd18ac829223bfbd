// TLS that is not decrypted before our eyes: its library is linked statically, or is none that we
// know. Its ClientHello is kept for the drain (server name, protocols), its bytes are counted.
#include "hooks/http/framing.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"

namespace telinject::program {

namespace {

constexpr size_t kRecordHead = 5;
constexpr uint8_t kHandshake = 0x16, kClientHello = 1;

void hello_complete(Connection& connection, Direction& direction, Way way, Block block) {
  direction.stage = Stage::kBody;
  if (block.size > kMaxHelloBytes) block.size = kMaxHelloBytes;
  connection.role.store(way == Way::kSent ? HttpRole::kClient : HttpRole::kServer);
  connection.start_ticks = direction.start_ticks;
  report_tls(connection, way, block, 0);
}

}  // namespace

size_t frame_tls(Connection& connection, Way way, const uint8_t* data, size_t size,
                 const Moment& now) {
  Direction& direction = direction_of(connection, way);
  direction.bytes += size;
  if (connection.start_ticks != 0 || direction.stage == Stage::kBody) return size;
  if (direction.stage == Stage::kBetween) {
    direction.stage = data[0] == kHandshake ? Stage::kHead : Stage::kBody;
    if (direction.stage == Stage::kBody) return size;
    direction.start_ticks = now;
  }
  Block block = gathered(&direction.gathering, data, size);
  size_t wanted = kRecordHead;
  if (block.size >= kRecordHead) wanted += block.data[3] * 256u + block.data[4];
  // The answer may be seen before what it answers: it is no hello of who asks. Nor is what is too
  // short to tell.
  bool ends_early = block.truncated || (block.size >= kRecordHead && wanted == kRecordHead);
  bool told = block.size > kRecordHead && wanted > kRecordHead;
  if (told ? block.data[kRecordHead] != kClientHello : ends_early) {
    direction.stage = Stage::kBody;
    drop_gathered(&direction.gathering);
    return size;
  }
  if (wanted > kMaxHelloBytes) wanted = kMaxHelloBytes;
  if (block.size < wanted && !block.truncated) {
    if (direction.gathering.bytes == nullptr) gather(&direction.gathering, data, size);
    return size;
  }
  if (block.size > wanted) block.size = static_cast<uint32_t>(wanted);
  hello_complete(connection, direction, way, block);
  drop_gathered(&direction.gathering);
  return size;
}

void close_tls(Connection& connection, const Moment& now) {
  if (connection.start_ticks == 0) return;
  Way way = request_way(connection);
  report_tls(connection, way, {nullptr, 0, false}, now);
}

}  // namespace telinject::program
