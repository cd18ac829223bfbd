#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/drain/recording/recording.h"
#include "shim/drain/recording/recording_format.h"

namespace telinject::drain {

using namespace recording;

namespace {

constexpr off_t kReserveBytes = 64 << 10;

class Writer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put_text(const std::string& text) {
    put(static_cast<uint32_t>(text.size()));
    text_.append(text);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void put_info(Writer* out, const SegmentInfo& info) {
  out->put(info.key);
  out->put(info.pid);
  out->put(info.clock);
  out->put(info.start_ticks);
  out->put(info.start_monotonic_ns);
  out->put(info.start_realtime_ns);
  out->put(info.inherited);
  out->put(info.parent);
  out->put(info.pid_namespace);
  out->put(info.ticks_ahead);
  out->put_text(info.path);
  out->put_text(info.command_line);
}

void put_notice(Writer* out, const Notice& notice) {
  bool dump = notice.kind == Notice::Kind::kDump;  // of that moment only
  out->put(static_cast<uint32_t>(dump ? Notice::Kind::kIdle : notice.kind));
  out->put(notice.segment);
  out->put(notice.lane);
  out->put(notice.os_pid);
  out->put(notice.value);
  out->put(notice.ticks);
  out->put(notice.lost_calls);
  out->put(uint64_t{0});  // not used
  out->put(notice.lost_records);
  out->put(notice.lost);
  out->put(static_cast<uint32_t>(notice.end.known));
  out->put(notice.end.status);
  out->put_text(notice.text);
  out->put(static_cast<uint32_t>(notice.info != nullptr));
  if (notice.info != nullptr) put_info(out, *notice.info);
  if (notice.kind != Notice::Kind::kRunDelay) return;
  out->put(static_cast<uint32_t>(notice.run_delay.size()));
  for (const RunDelaySample& sample : notice.run_delay) out->put(sample);
}

iovec piece(const void* data, size_t bytes) {
  return {const_cast<void*>(data), bytes};
}

}  // namespace

std::unique_ptr<RecordingWriter> RecordingWriter::create(const std::string& path,
                                                         std::string* problem) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) {
    *problem = absl::StrCat("cannot make ", path, ": ", strerror(errno));
    return nullptr;
  }
  std::unique_ptr<RecordingWriter> writer(new RecordingWriter(fd, path));
  // Who reads it can tell that it is not over. Some file systems have no locks: he cannot, then.
  flock(fd, LOCK_EX | LOCK_NB);
  if (write(fd, kMagic, kMagicBytes) != static_cast<ssize_t>(kMagicBytes)) {
    *problem = absl::StrCat("cannot write ", path, ": ", strerror(errno));
    return nullptr;
  }
  writer->bytes_ = kMagicBytes;
  std::string folder = std::filesystem::path(path).parent_path().string();
  writer->reserve_fd_ =
      ::open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (writer->reserve_fd_ >= 0 && fallocate(writer->reserve_fd_, 0, 0, kReserveBytes) != 0) {
    writer->use_reserve();
  }
  return writer;
}

RecordingWriter::~RecordingWriter() {
  use_reserve();
  close(fd_);
}

void RecordingWriter::use_reserve() {
  if (reserve_fd_ >= 0) close(std::exchange(reserve_fd_, -1));
}

bool RecordingWriter::frame(uint32_t kind, std::vector<iovec> pieces) {
  uint64_t bytes = 0;
  for (const iovec& each : pieces) bytes += each.iov_len;
  FrameHead head = {kind, 0, bytes};
  pieces.insert(pieces.begin(), piece(&head, sizeof head));
  for (size_t first = 0; first < pieces.size();) {
    auto count = static_cast<int>(std::min<size_t>(pieces.size() - first, IOV_MAX));
    ssize_t n = writev(fd_, pieces.data() + first, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int error = n < 0 ? errno : ENOSPC;
      // Half a frame would hide the frames behind it.
      auto whole = static_cast<off_t>(bytes_);
      if (ftruncate(fd_, whole) == 0) lseek(fd_, whole, SEEK_SET);
      errno = error;
      return false;
    }
    auto done = static_cast<size_t>(n);
    for (; first < pieces.size() && done >= pieces[first].iov_len; first++) {
      done -= pieces[first].iov_len;
    }
    if (done == 0) continue;
    pieces[first].iov_base = static_cast<std::byte*>(pieces[first].iov_base) + done;
    pieces[first].iov_len -= done;
  }
  bytes_ += sizeof head + bytes;
  return true;
}

bool RecordingWriter::facts(const std::string& json) {
  return frame(kFacts, {piece(json.data(), json.size())});
}

bool RecordingWriter::anchor(const ClockAnchor& anchor) {
  return frame(kAnchor, {piece(&anchor, sizeof anchor)});
}

bool RecordingWriter::state(const std::string& state) {
  return frame(kState, {piece(state.data(), state.size())});
}

bool RecordingWriter::lost(uint64_t calls) {
  return frame(kLost, {piece(&calls, sizeof calls)});
}

bool RecordingWriter::end() {
  return frame(kEnd, {});
}

bool RecordingWriter::batch(const Batch& batch) {
  Writer meta;
  meta.put(batch.watermark);
  meta.put(static_cast<uint32_t>(batch.runs.size()));
  meta.put(static_cast<uint32_t>(batch.notices.size()));
  std::vector<RecordBytes> packed;
  for (const LaneRun& each : batch.runs) {
    Run run = each.run;
    size_t size = run.size();
    if (run.unpacked_bytes == 0 && size > 0 && !run.message.has_value()) {
      packer_.pack(run.bytes.data(), size);
      run.bytes = memory_.copy(packer_.packed().data(), packer_.packed().size());
    }
    meta.put(each.segment);
    meta.put(each.lane);
    meta.put(run.position);
    // Type 0: records.
    WholeMessage message = run.message.value_or(WholeMessage());
    meta.put(message.type);
    meta.put(message.ticks);
    meta.put(static_cast<uint64_t>(size));
    meta.put(static_cast<uint64_t>(run.bytes.size()));
    packed.push_back(run.bytes);
  }
  for (const Notice& notice : batch.notices) put_notice(&meta, notice);
  uint64_t meta_bytes = meta.text().size();
  std::vector<iovec> pieces = {piece(&meta_bytes, sizeof meta_bytes),
                               piece(meta.text().data(), meta.text().size())};
  for (const RecordBytes& bytes : packed) pieces.push_back(piece(bytes.data(), bytes.size()));
  return frame(kBatch, std::move(pieces));
}

}  // namespace telinject::drain
