// A recording: all that a processor needs, in a file, for later or for another machine.
//
//   "TELREC4\n", then frames: { u32 kind, u32 0, u64 bytes } and that many bytes
//     kFacts    JSON, first: what the drain knew of where it ran; again when it knows more
//     kAnchor   ClockAnchor: two before the first batch, one ten milliseconds later, then one a
//               second
//     kBatch    a batch (batch_queue.h): numbers, texts, and the records themselves, packed
//               (record_packing.h), messages of operations in one piece
//     kState    before the first batch: the state of the processor that has made events of what
//               came before (processor_state.cpp); this goes on from there
//     kLost     u64: calls for which there was no room
//     kEnd      nothing: all that there was is here
//
// While it is written its writer holds a lock (flock) on it.
//
// Little-endian, as x86-64 lays them out. A file may end in the middle of a frame (a full disk, a
// drain that was killed): what comes before is good, and so are the records of a batch that are
// there.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "shim/drain/queue/batch_queue.h"
#include "shim/drain/records/clock_map.h"

namespace telinject::drain {

namespace recording {
struct FrameHead;
}

class RecordingWriter {
 public:
  // Makes the file, readable by its owner only. Null, with a reason, if that fails.
  static std::unique_ptr<RecordingWriter> create(const std::string& path, std::string* problem);
  ~RecordingWriter();
  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;

  // Each writes a whole frame, or nothing and returns false (a full disk): errno says why.
  bool facts(const std::string& json);
  bool anchor(const ClockAnchor& anchor);
  bool batch(const Batch& batch);
  bool state(const std::string& state);
  bool lost(uint64_t calls);
  bool end();

  // For the last words of a recording whose disk is full some room has been kept; it is free now.
  void use_reserve();

  uint64_t bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  RecordingWriter(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  bool frame(uint32_t kind, std::vector<iovec> pieces);

  // For runs that are not packed yet.
  RecordPacker packer_;
  RecordMemory memory_;
  int fd_;
  int reserve_fd_ = -1;  // a file without a name; -1: the file system has none
  const std::string path_;
  uint64_t bytes_ = 0;
};

class RecordingReader {
 public:
  struct Frame {
    // One of them.
    std::string facts;
    std::optional<ClockAnchor> anchor;
    std::optional<Batch> batch;
    std::string state;
    uint64_t lost = 0;
  };

  // Null, with a reason for the user, if it cannot be opened or is no recording. Waits up to a
  // second for one that is still being written, then reads what is there.
  static std::unique_ptr<RecordingReader> open(const std::string& path, std::string* problem);
  ~RecordingReader();
  RecordingReader(const RecordingReader&) = delete;
  RecordingReader& operator=(const RecordingReader&) = delete;

  // The next frame; nullopt at the end, or where the file makes no sense any more.
  std::optional<Frame> next();
  // The facts that were written last, "" if there are none: the latest know most.
  std::string last_facts();
  // The first anchor, and the first that tells the clock's rate well; failing that, the last one.
  std::vector<ClockAnchor> first_anchors();

  // What is wrong with the file, "" if nothing was found to be.
  const std::string& problem() const { return problem_; }
  uint64_t offset() const { return offset_; }
  uint64_t size() const { return size_; }

 private:
  RecordingReader(int fd, uint64_t size) : fd_(fd), size_(size) {}
  bool read(uint64_t offset, void* to, size_t bytes);
  bool head_at(uint64_t offset, recording::FrameHead* head);
  // `there`: as many of its bytes are in the file. If not all are, those records that are, and no
  // notice.
  std::optional<Batch> read_batch(uint64_t offset, uint64_t bytes, uint64_t there);
  bool read_records(uint64_t size, uint64_t packed, uint64_t* at, uint64_t end_there, Run* run);
  bool read_message(uint64_t size, uint64_t packed, uint64_t* at, uint64_t end_there, Run* run);
  void give_up(const char* what);
  void miss_end();

  int fd_;
  uint64_t size_, offset_ = 0;
  RecordMemory memory_;
  RecordUnpacker unpacker_;
  std::vector<std::byte> packed_;
  std::string problem_;
  bool still_written_ = false, ended_ = false;
};

}  // namespace telinject::drain
