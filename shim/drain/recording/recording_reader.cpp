#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "shim/channel/record.h"
#include "shim/drain/recording/recording.h"
#include "shim/drain/recording/recording_format.h"
#include "shim/drain/records/clock_map.h"
#include "shim/drain/records/message_assembler.h"

namespace telinject::drain {

using namespace recording;

namespace {

// A batch's numbers and texts are small; its records are what is large.
constexpr uint64_t kMaxMetaBytes = 64 << 20;
constexpr uint64_t kMaxStateBytes = 4ull << 30;

// After the end, or a length beyond it, everything is zero and good() is false.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  template <typename T>
  T get() {
    T value = {};
    if (text_.size() < sizeof value) {
      good_ = false;
      text_ = {};
      return value;
    }
    memcpy(&value, text_.data(), sizeof value);
    text_.remove_prefix(sizeof value);
    return value;
  }
  std::string get_text() {
    auto size = get<uint32_t>();
    if (size > text_.size()) {
      good_ = false;
      text_ = {};
      return {};
    }
    std::string text(text_.substr(0, size));
    text_.remove_prefix(size);
    return text;
  }
  bool good() const { return good_; }

 private:
  std::string_view text_;
  bool good_ = true;
};

SegmentInfo get_info(Reader* in) {
  SegmentInfo info = {};
  info.key = in->get<SegmentKey>();
  info.pid = in->get<int>();
  info.clock = in->get<ClockKind>();
  info.start_ticks = in->get<uint64_t>();
  info.start_monotonic_ns = in->get<int64_t>();
  info.start_realtime_ns = in->get<int64_t>();
  info.inherited = in->get<TraceContext>();
  info.parent = in->get<RecordRef>();
  info.pid_namespace = in->get<uint64_t>();
  info.ticks_ahead = in->get<uint64_t>();
  info.path = in->get_text();
  info.command_line = in->get_text();
  return info;
}

// False if it is none.
bool get_notice(Reader* in, Notice* notice) {
  auto kind = in->get<uint32_t>();
  if (kind > static_cast<uint32_t>(Notice::Kind::kRunDelay)) return false;
  notice->kind = static_cast<Notice::Kind>(kind);
  notice->segment = in->get<SegmentId>();
  notice->lane = in->get<uint32_t>();
  notice->os_pid = in->get<int>();
  notice->value = in->get<uint32_t>();
  notice->ticks = in->get<uint64_t>();
  notice->lost_calls = in->get<uint64_t>();
  in->get<uint64_t>();  // not used
  notice->lost_records = in->get<uint64_t>();
  notice->lost = in->get<decltype(notice->lost)>();
  notice->end.known = in->get<uint32_t>() != 0;
  notice->end.status = in->get<int>();
  notice->text = in->get_text();
  if (in->get<uint32_t>() != 0) notice->info = std::make_shared<SegmentInfo>(get_info(in));
  auto samples = notice->kind == Notice::Kind::kRunDelay ? in->get<uint32_t>() : 0;
  for (uint32_t i = 0; i < samples && in->good(); i++) {
    notice->run_delay.push_back(in->get<RunDelaySample>());
  }
  bool opens = notice->kind == Notice::Kind::kSegmentOpened;
  return in->good() && opens == (notice->info != nullptr);
}

// A program may have ended a moment before its recording does. False if that takes long.
bool wait_for_writer(int fd) {
  constexpr timespec kPause = {0, 20000000};
  constexpr int kPauses = 50;
  for (int i = 0; i < kPauses; i++) {
    if (flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
    nanosleep(&kPause, nullptr);
  }
  return false;
}

}  // namespace

std::unique_ptr<RecordingReader> RecordingReader::open(const std::string& path,
                                                       std::string* problem) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  bool written = fd < 0 || wait_for_writer(fd);
  struct stat status = {};
  if (fd < 0 || fstat(fd, &status) != 0) {
    *problem = absl::StrCat("cannot read ", path, ": ", strerror(errno));
    if (fd >= 0) close(fd);
    return nullptr;
  }
  std::unique_ptr<RecordingReader> reader(
      new RecordingReader(fd, static_cast<uint64_t>(status.st_size)));
  char magic[kMagicBytes];
  if (!S_ISREG(status.st_mode) || !reader->read(0, magic, sizeof magic) ||
      memcmp(magic, kMagic, kMagicOfAnyVersion) != 0) {
    *problem = absl::StrCat(path, " is no recording of telinject");
    return nullptr;
  }
  if (memcmp(magic, kMagic, sizeof magic) != 0) {
    *problem = absl::StrCat(path,
                            " is a recording of another version of telinject, in another format: "
                            "convert it with that version");
    return nullptr;
  }
  reader->offset_ = kMagicBytes;
  reader->still_written_ = !written;
  return reader;
}

RecordingReader::~RecordingReader() {
  close(fd_);
}

bool RecordingReader::read(uint64_t offset, void* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes) {
    ssize_t n =
        pread(fd_, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

void RecordingReader::miss_end() {
  if (ended_ || !problem_.empty()) return;
  problem_ = still_written_
                 ? "it is still being written; what is there by now has been read"
                 : "it has no end: its drain was killed, or it was cut; what is there is good";
}

void RecordingReader::give_up(const char* what) {
  problem_ = absl::StrCat(what, " at byte ", offset_, " of ", size_, "; what comes before is good");
  offset_ = size_;
}

bool RecordingReader::head_at(uint64_t offset, FrameHead* head) {
  return offset + sizeof *head <= size_ && read(offset, head, sizeof *head) &&
         head->bytes <= size_ - offset - sizeof *head;
}

std::optional<RecordingReader::Frame> RecordingReader::next() {
  while (offset_ < size_) {
    FrameHead head;
    if (!head_at(offset_, &head)) {
      Frame last;
      uint64_t body = offset_ + sizeof head, there = body < size_ ? size_ - body : 0;
      bool torn = there > 0 && read(offset_, &head, sizeof head) && head.kind == kBatch;
      if (torn) last.batch = read_batch(body, head.bytes, there);
      give_up("it breaks off");
      return last.batch.has_value() ? std::optional<Frame>(std::move(last)) : std::nullopt;
    }
    uint64_t body = offset_ + sizeof head;
    Frame frame;
    if (head.kind == kState && head.bytes <= kMaxStateBytes) {
      frame.state.resize(head.bytes);
      if (!read(body, frame.state.data(), head.bytes)) frame.state.clear();
    } else if (head.kind == kLost && head.bytes == sizeof frame.lost) {
      read(body, &frame.lost, sizeof frame.lost);
    } else if (head.kind == kBatch) {
      frame.batch = read_batch(body, head.bytes, head.bytes);
      if (!frame.batch.has_value()) {
        give_up("it makes no sense");
        return std::nullopt;
      }
    } else if (head.kind == kAnchor && head.bytes == sizeof(ClockAnchor)) {
      frame.anchor.emplace();
      if (!read(body, &*frame.anchor, sizeof(ClockAnchor))) frame.anchor.reset();
    } else if (head.kind == kEnd) {
      ended_ = true;
    } else if (head.kind == kFacts && head.bytes <= kMaxMetaBytes) {
      frame.facts.resize(head.bytes);
      if (!read(body, frame.facts.data(), head.bytes)) frame.facts.clear();
    }
    offset_ = body + head.bytes;
    bool any = frame.batch.has_value() || frame.anchor.has_value() || !frame.facts.empty() ||
               !frame.state.empty() || frame.lost != 0;
    if (any) return frame;
  }
  miss_end();
  return std::nullopt;
}

std::string RecordingReader::last_facts() {
  std::string facts;
  FrameHead head;
  for (uint64_t at = kMagicBytes; head_at(at, &head); at += sizeof head + head.bytes) {
    if (head.kind != kFacts || head.bytes > kMaxMetaBytes) continue;
    std::string text(head.bytes, '\0');
    if (read(at + sizeof head, text.data(), text.size())) facts = text;
  }
  return facts;
}

std::vector<ClockAnchor> RecordingReader::first_anchors() {
  std::vector<ClockAnchor> anchors;
  FrameHead head;
  for (uint64_t at = kMagicBytes; head_at(at, &head); at += sizeof head + head.bytes) {
    ClockAnchor anchor;
    if (head.kind != kAnchor || head.bytes != sizeof anchor) continue;
    if (!read(at + sizeof head, &anchor, sizeof anchor)) break;
    if (anchors.size() == 2) anchors.pop_back();
    anchors.push_back(anchor);
    if (anchor.monotonic_ns - anchors.front().monotonic_ns >= kCalibrationNs) break;
  }
  return anchors;
}

// The bytes of a run, from `*at` on, of which those before `end_there` are in the file. False if
// they make no sense.
bool RecordingReader::read_records(uint64_t size, uint64_t packed, uint64_t* at, uint64_t end_there,
                                   Run* run) {
  if (size % kUnitBytes != 0) return false;
  uint64_t take = std::min(packed, end_there - *at);
  if (packed_.size() < take) packed_.resize(take);
  if (!read(*at, packed_.data(), take)) return false;
  *at += take;
  std::byte* place;
  RecordBytes room = memory_.reserve(size, &place);
  size_t unpacked = unpacker_.unpack({packed_.data(), take}, packed, place, size);
  if (take == packed && unpacked != size) return false;
  run->bytes = room.part(0, unpacked);
  return true;
}

// The same of a message; of one that is not all there nothing is read.
bool RecordingReader::read_message(uint64_t size, uint64_t packed, uint64_t* at, uint64_t end_there,
                                   Run* run) {
  if (size > kMaxAssembledBytes || packed != size) return false;
  uint64_t take = std::min(size, end_there - *at);
  std::byte* place;
  RecordBytes room = memory_.reserve(size, &place);
  if (!read(*at, place, take)) return false;
  *at += take;
  if (take == size) run->bytes = std::move(room);
  return true;
}

std::optional<Batch> RecordingReader::read_batch(uint64_t offset, uint64_t bytes, uint64_t there) {
  uint64_t meta_bytes;
  if (std::min(bytes, there) < sizeof meta_bytes || !read(offset, &meta_bytes, sizeof meta_bytes)) {
    return std::nullopt;
  }
  if (meta_bytes > bytes - sizeof meta_bytes || meta_bytes > kMaxMetaBytes) return std::nullopt;
  if (meta_bytes > there - sizeof meta_bytes) return std::nullopt;
  std::string meta(meta_bytes, '\0');
  if (!read(offset + sizeof meta_bytes, meta.data(), meta_bytes)) return std::nullopt;
  Reader in(meta);
  Batch batch;
  batch.watermark = in.get<uint64_t>();
  auto runs = in.get<uint32_t>();
  auto notices = in.get<uint32_t>();
  uint64_t at = offset + sizeof meta_bytes + meta_bytes, end = offset + bytes;
  uint64_t end_there = offset + there;
  for (uint32_t i = 0; i < runs && in.good(); i++) {
    LaneRun run = {};
    run.segment = in.get<SegmentId>();
    run.lane = in.get<uint32_t>();
    run.run.position = in.get<uint64_t>();
    auto type = in.get<MessageType>();
    auto ticks = in.get<uint64_t>();
    auto size = in.get<uint64_t>(), packed = in.get<uint64_t>();
    if (size > RecordMemory::kMaxBytes || packed > std::min<uint64_t>(end - at, size)) {
      return std::nullopt;
    }
    if (type != MessageType()) run.run.message = {type, ticks};
    bool sound = run.run.message.has_value() ? read_message(size, packed, &at, end_there, &run.run)
                                             : read_records(size, packed, &at, end_there, &run.run);
    if (!sound) return std::nullopt;
    if (run.run.message.has_value() && run.run.bytes.size() == 0) continue;
    batch.bytes += run.run.bytes.size();
    batch.runs.push_back(std::move(run));
  }
  for (uint32_t i = 0; i < notices && in.good() && there == bytes; i++) {
    if (!get_notice(&in, &batch.notices.emplace_back())) return std::nullopt;
  }
  if (!in.good()) return std::nullopt;
  return batch;
}

}  // namespace telinject::drain
