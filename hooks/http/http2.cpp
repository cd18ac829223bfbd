// HTTP/2: frames (RFC 9113). Header blocks are joined and handed on as they are, for the drain to
// decode; of DATA only the length counts; all else is stepped over.
#include "hooks/http/framing.h"
#include "hooks/http/pools.h"
#include "hooks/http/report.h"

namespace telinject::program {

namespace {

enum FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPush = 5,
  kContinuation = 9,
};
enum FrameFlags : uint8_t { kEndStream = 1, kEndHeaders = 4, kPadded = 8, kPriority = 32 };

constexpr uint8_t kPreface[] = {'P', 'R', 'I',  ' ',  '*',  ' ',  'H', 'T', 'T',  'P',  '/',  '2',
                                '.', '0', '\r', '\n', '\r', '\n', 'S', 'M', '\r', '\n', '\r', '\n'};

uint32_t number(const uint8_t* bytes, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; i++) value = value << 8 | bytes[i];
  return value;
}

// ---- bytes of bodies, by stream: a small hash table a direction

StreamBytes* table_of(Connection& connection, Way way) {
  if (connection.streams == nullptr) {
    uint8_t* block = new_block();
    if (block == nullptr) return nullptr;
    __builtin_memset(block, 0, kMaxBlockBytes);
    connection.streams = reinterpret_cast<StreamBytes*>(block);
  }
  return connection.streams + (way == Way::kSent ? kStreams : 0);
}

// With `make`, the oldest of its neighbours makes room: a stream that was reset the other way.
StreamBytes* bytes_of(Connection& connection, Way way, uint32_t stream, bool make) {
  constexpr uint32_t kNeighbours = 8;
  if (connection.streams == nullptr && !make) return nullptr;
  StreamBytes* table = table_of(connection, way);
  if (table == nullptr) return nullptr;
  StreamBytes* oldest = nullptr;
  for (uint32_t i = 0; i < kNeighbours; i++) {
    StreamBytes* entry = table + (stream / 2 + i) % kStreams;
    uint32_t there = entry->stream.load(std::memory_order_relaxed);
    if (there == stream) return entry;
    if (oldest == nullptr || there < oldest->stream.load(std::memory_order_relaxed)) oldest = entry;
  }
  if (!make) return nullptr;
  oldest->stream.store(stream, std::memory_order_relaxed);
  oldest->bytes.store(0, std::memory_order_relaxed);
  return oldest;
}

void count_body(Connection& connection, Way way, uint32_t stream, uint64_t bytes) {
  if (bytes == 0) return;
  StreamBytes* entry = bytes_of(connection, way, stream, true);
  if (entry == nullptr) return;
  entry->bytes.store(entry->bytes.load(std::memory_order_relaxed) + bytes,
                     std::memory_order_relaxed);
}

uint64_t body_bytes(Connection& connection, Way way, uint32_t stream) {
  const StreamBytes* entry = bytes_of(connection, way, stream, false);
  return entry == nullptr ? 0 : entry->bytes.load(std::memory_order_relaxed);
}

void forget_body(Connection& connection, Way way, uint32_t stream) {
  StreamBytes* entry = bytes_of(connection, way, stream, false);
  if (entry != nullptr) entry->stream.store(0, std::memory_order_relaxed);
}

// ---- what a frame meant, once all of it has passed

void stream_half_ends(Connection& connection, Way way, uint32_t stream, const Moment& now) {
  HttpEndMessage end = {};
  end.ticks = now;
  uint64_t bytes = body_bytes(connection, way, stream);
  (way == Way::kSent ? end.sent_bytes : end.received_bytes) = bytes;
  end.stream = stream;
  end.reason = HttpEndReason::kComplete;
  end.half = 1;
  end.flags = way == Way::kReceived ? kHttpFromPeer : 0;
  report_end(connection, &end);
  forget_body(connection, way, stream);
}

void stream_is_reset(Connection& connection, Way way, uint32_t stream, uint32_t error,
                     const Moment& now) {
  HttpEndMessage end = {};
  end.ticks = now;
  end.sent_bytes = body_bytes(connection, Way::kSent, stream);
  end.received_bytes = body_bytes(connection, Way::kReceived, stream);
  end.stream = stream;
  end.error = static_cast<int32_t>(error);
  end.reason = HttpEndReason::kReset;
  end.flags = way == Way::kReceived ? kHttpFromPeer : 0;
  report_end(connection, &end);
  forget_body(connection, way, stream);
}

void block_complete(Connection& connection, Direction& direction, Way way, const Block& block,
                    const Moment& now) {
  FrameReader& frame = frame_of(connection, way);
  bool push = frame.block_type == kPush;
  uint32_t stream = push ? frame.promised : frame.block_stream;
  bool asks = push || request_way(connection) == way;
  bool opens = asks && stream > frame.opened;
  if (opens) frame.opened = stream;
  uint16_t flags = 0;
  if (way == Way::kReceived) flags |= kHttpFromPeer;
  if (push) flags |= kHttpPush;
  bool ends = !push && (frame.block_flags & kEndStream) != 0;
  if (ends) flags |= kHttpEndOfStream;
  if (!push && !opens && asks) flags |= kHttpTrailers;
  frame.in_block = false;
  report_headers(connection, way, frame.block_stream, push ? frame.promised : 0, flags, opens,
                 block, direction.start_ticks);
  frame.sequence++;
  if (ends) stream_half_ends(connection, way, frame.block_stream, now);
}

// ---- frames

// Bytes before the payload proper that have to be known.
uint8_t fixed_bytes(uint8_t type, uint8_t flags) {
  uint8_t pad = (flags & kPadded) != 0 ? 1 : 0;
  switch (type) {
    case kData:
      return pad;
    case kHeaders:
      return static_cast<uint8_t>(pad + ((flags & kPriority) != 0 ? 5 : 0));
    case kPush:
      return static_cast<uint8_t>(pad + 4);
    case kReset:
      return 4;
    default:
      return 0;
  }
}

// The frame's head has passed. False: that is no HTTP/2.
bool begin_frame(Direction& direction, FrameReader& frame) {
  frame.left = number(frame.head, 3);
  frame.type = frame.head[3];
  frame.flags = frame.head[4];
  frame.stream = number(frame.head + 5, 4) & 0x7fffffff;
  frame.fixed_bytes = 0;
  frame.fixed_wanted = fixed_bytes(frame.type, frame.flags);
  frame.padding = 0;
  bool continues = frame.type == kContinuation;
  if (frame.left < frame.fixed_wanted || continues != frame.in_block) return false;
  if (!frame.settled && (frame.type != kSettings || frame.stream != 0)) return false;
  frame.settled = true;
  if (continues) {
    frame.block_flags |= frame.flags & kEndHeaders;
    return frame.stream == frame.block_stream;
  }
  if (frame.type == kHeaders || frame.type == kPush) {
    frame.in_block = true;
    frame.block_stream = frame.stream;
    frame.block_type = frame.type;
    frame.block_flags = frame.flags;
    direction.start_ticks = frame.frame_ticks;
  }
  return frame.stream != 0 || (frame.type != kHeaders && frame.type != kData && !frame.in_block);
}

// The bytes before the payload have passed. False: more padding than payload.
bool fixed_complete(FrameReader& frame) {
  const uint8_t* at = frame.fixed;
  if ((frame.flags & kPadded) != 0 && frame.type != kReset) frame.padding = *at++;
  if (frame.type == kPush) frame.promised = number(at, 4) & 0x7fffffff;
  return frame.padding <= frame.left;
}

void end_frame(Connection& connection, Way way, const Moment& now) {
  FrameReader& frame = frame_of(connection, way);
  frame.head_bytes = 0;
  if (frame.type == kData && (frame.flags & kEndStream) != 0) {
    stream_half_ends(connection, way, frame.stream, now);
  } else if (frame.type == kReset) {
    stream_is_reset(connection, way, frame.stream, number(frame.fixed, 4), now);
  }
}

bool preface_passes(FrameReader& frame, const uint8_t* data, size_t size, size_t* taken) {
  while (*taken < size && frame.preface < sizeof kPreface) {
    if (data[(*taken)++] != kPreface[frame.preface++]) return false;
  }
  return true;
}

// A part of the payload: before the padding that comes last.
void payload(Connection& connection, Direction& direction, Way way, const uint8_t* data,
             size_t size, const Moment& now) {
  FrameReader& frame = frame_of(connection, way);
  size_t proper = frame.left > frame.padding ? frame.left - frame.padding : 0;
  if (proper > size) proper = size;
  frame.left -= static_cast<uint32_t>(size);
  if (frame.type == kData) return count_body(connection, way, frame.stream, proper);
  if (!frame.in_block) return;
  // The padding is not waited for: the block is complete with its last byte, the frame is not.
  if (frame.left > frame.padding || (frame.block_flags & kEndHeaders) == 0) {
    return gather(&direction.gathering, data, proper);
  }
  Block block = gathered(&direction.gathering, data, proper);
  block_complete(connection, direction, way, block, now);
  drop_gathered(&direction.gathering);
}

}  // namespace

size_t frame_http2(Connection& connection, Way way, const uint8_t* data, size_t size,
                   const Moment& now) {
  Direction& direction = direction_of(connection, way);
  FrameReader& frame = frame_of(connection, way);
  size_t at = 0;
  bool sound = true;
  if (request_way(connection) == way) sound = preface_passes(frame, data, size, &at);
  while (sound && at < size) {
    if (frame.head_bytes < sizeof frame.head) {
      if (frame.head_bytes == 0)
        frame.frame_ticks = direction.call_ticks != 0 ? direction.call_ticks : uint64_t{now};
      frame.head[frame.head_bytes++] = data[at++];
      if (frame.head_bytes < sizeof frame.head) continue;
      sound = begin_frame(direction, frame);
      if (sound && frame.fixed_wanted == 0) payload(connection, direction, way, data, 0, now);
    } else if (frame.fixed_bytes < frame.fixed_wanted) {
      frame.fixed[frame.fixed_bytes++] = data[at++];
      frame.left--;
      if (frame.fixed_bytes < frame.fixed_wanted) continue;
      sound = fixed_complete(frame);
      if (sound) payload(connection, direction, way, data, 0, now);
    } else {
      size_t part = size - at < frame.left ? size - at : frame.left;
      payload(connection, direction, way, data + at, part, now);
      at += part;
    }
    if (sound && frame.left == 0 && frame.fixed_bytes == frame.fixed_wanted &&
        frame.head_bytes == sizeof frame.head) {
      end_frame(connection, way, now);
    }
  }
  if (!sound) give_up(connection, now);
  return size;
}

// Payload that the program never had in hand.
void skip_http2(Connection& connection, Way way, uint64_t size, const Moment& now) {
  Direction& direction = direction_of(connection, way);
  FrameReader& frame = frame_of(connection, way);
  bool in_data = frame.head_bytes == sizeof frame.head && frame.type == kData &&
                 frame.fixed_bytes == frame.fixed_wanted && size <= frame.left;
  if (!in_data) return give_up(connection, now);
  payload(connection, direction, way, nullptr, static_cast<size_t>(size), now);
  if (frame.left == 0) end_frame(connection, way, now);
}

void close_http2(Connection& connection, HttpEndReason reason, int error, const Moment& now) {
  HttpEndMessage end = {};
  end.sent_blocks = frame_of(connection, Way::kSent).sequence;
  end.received_blocks = frame_of(connection, Way::kReceived).sequence;
  if (end.sent_blocks + end.received_blocks == 0) return;
  end.ticks = now;
  end.error = error;
  end.reason = reason;
  report_end(connection, &end);
}

}  // namespace telinject::program
