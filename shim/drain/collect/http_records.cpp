#include "shim/drain/collect/http_records.h"

#include <algorithm>
#include <cstring>

#include "shim/channel/record.h"

namespace telinject::drain {

RecordBytes message_as_records(MessageType type, uint64_t ticks, const std::string& bytes,
                               RecordMemory* memory) {
  std::byte* place;
  RecordBytes records = memory->reserve(message_records(bytes.size()) * kControlBytes, &place);
  auto put = [&](ControlKind kind, uint64_t a, uint64_t b, uint64_t c) {
    uint64_t words[4] = {ticks, control_word(kind, a), (b & kTicksMask) | kSecondUnit, c};
    std::memcpy(place, words, sizeof words);
    place += sizeof words;
  };
  put(ControlKind::kMessage, static_cast<uint64_t>(type), bytes.size(), 0);
  for (size_t at = 0; at < bytes.size(); at += kMessageDataBytes) {
    char piece[kMessageDataBytes] = {};
    bytes.copy(piece, sizeof piece, at);
    uint64_t a = 0, b = 0, c = 0;
    std::memcpy(&a, piece, 6);
    std::memcpy(&b, piece + 6, 7);
    std::memcpy(&c, piece + 13, 8);
    put(ControlKind::kMessageData, a, b, c);
  }
  return records;
}

void HttpRecords::whole(const LaneRun& run, AssembledMessage message, uint64_t ticks,
                        std::vector<LaneRun>* out) {
  digests_.clear();
  HttpMessage taken = {run.segment, run.lane,     message.position,
                       ticks,       message.type, std::move(message.bytes)};
  if (is_http(taken.type)) {
    digester_.take(std::move(taken), &digests_);
  } else {
    texts_.redact(taken.type, &taken.bytes);
    digests_.push_back(std::move(taken));
  }
  for (const HttpMessage& digest : digests_) {
    if (digest.bytes.size() > kMaxAssembledBytes) continue;
    RecordBytes records = message_as_records(digest.type, digest.ticks, digest.bytes, memory_);
    out->push_back({digest.segment, digest.lane, {digest.position, std::move(records), true}});
  }
}

void HttpRecords::walk(const LaneRun& run, std::vector<LaneRun>* out) {
  const RecordBytes& bytes = run.run.bytes;
  Open* open = &open_[{run.segment, run.lane}];
  size_t start = 0, at = 0;
  auto pass_on = [&](size_t end) {
    if (end == start) return;
    out->push_back(
        {run.segment, run.lane, {run.run.position + start, bytes.part(start, end - start), true}});
  };
  while (at + kUnitBytes <= bytes.size()) {
    const auto* record = reinterpret_cast<const uint64_t*>(bytes.data() + at);
    size_t size = is_second_unit(*record) ? kUnitBytes : record_bytes(*record);
    if (at + size > bytes.size()) break;
    size_t next = at + size;
    if (size == kControlBytes && is_control(record[1])) {
      ControlKind kind = control_kind(record[1]);
      auto type = static_cast<MessageType>(control_a(record[1]));
      bool piece = kind == ControlKind::kMessageData;
      if (kind == ControlKind::kMessage) {
        uint64_t size_told = control_b(record[2]);
        open->ours = is_http(type) || TextMessages::takes(type);
        open->pieces_left = size_told > kMaxAssembledBytes ? 0 : message_records(size_told) - 1;
        open->messages.begin(open->ours ? control_a(record[1]) : 0, open->ours ? size_told : 0,
                             run.run.position + at);
        open->ticks = *record & kTicksMask;
      }
      bool stray = piece && open->pieces_left == 0;
      if (piece && !stray) open->pieces_left--;
      if (stray || ((piece || kind == ControlKind::kMessage) && open->ours)) {
        pass_on(at);
        start = next;
        if (auto message = piece ? open->messages.add(record) : std::nullopt) {
          whole(run, std::move(*message), open->ticks, out);
        }
      }
    }
    at = next;
  }
  pass_on(bytes.size());
}

void HttpRecords::digest(Batch* batch) {
  bool any = std::any_of(batch->runs.begin(), batch->runs.end(),
                         [](const LaneRun& run) { return run.run.messages; });
  if (any) {
    std::vector<LaneRun> runs;
    runs.reserve(batch->runs.size() + 16);
    for (LaneRun& run : batch->runs) {
      if (run.run.messages) {
        walk(run, &runs);
      } else {
        runs.push_back(std::move(run));
      }
    }
    batch->runs = std::move(runs);
    batch->bytes = 0;
    for (const LaneRun& run : batch->runs) batch->bytes += run.run.size();
  }
  for (const Notice& notice : batch->notices) {
    if (notice.kind == Notice::Kind::kLaneEnded) open_.erase({notice.segment, notice.lane});
    if (notice.kind == Notice::Kind::kSegmentClosed) digester_.forget(notice.segment);
  }
}

}  // namespace telinject::drain
