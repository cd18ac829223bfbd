// A traced process with one thread, in which the test itself is that thread: it calls the hooks
// with stack pointers and functions of its choice, and reads what they wrote. There is no drain but
// what the test does in its place.
//
// The thread's stack is imaginary: depth 1 is the outermost frame, and frames further in have lower
// addresses. Functions are letters.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hooks/lane/state.h"
#include "tests/unit/drain/segment.h"

namespace telinject::test {
using namespace program;

inline constexpr uintptr_t kStackTop = 0x7ffe00100000;
inline constexpr uintptr_t kStackBytes = 0x100000;
inline constexpr uint64_t kNoneSampled = kRandomBits + 1;  // a threshold that no trace reaches

constexpr uintptr_t frame(unsigned depth) {
  return kStackTop - 64 * depth;
}

class HookedThread {
 public:
  explicit HookedThread(OnFull on_full = kDrop);
  ~HookedThread();
  HookedThread(const HookedThread&) = delete;
  HookedThread& operator=(const HookedThread&) = delete;

  // Claims the lane, as the first call does; Lane is null if there is none.
  Lane* attach();
  Lane* lane();
  SegmentHeader* header() const { return segment.header(); }
  // The drain allows so many chunks for new calls (at first 32), and for the ends of calls 64 more.
  void allow(uint32_t chunks) { header()->entry_chunks = chunks; }
  // Those are in use as well.
  void use_all_chunks() { header()->chunks_in_use = header()->entry_chunks + kExitChunks; }

  void enter(char function, unsigned depth) { enter_at(function, frame(depth)); }
  void leave(char function, unsigned depth) { leave_at(function, frame(depth)); }
  void enter_at(char function, uintptr_t sp);
  void leave_at(char function, uintptr_t sp);
  // An entry that was reserved by a hook that has not written it. Returns its position.
  uint64_t enter_unfinished();
  // Fills the lane's chunk with entries, as far as entries go.
  void fill_chunk();

  // The lane's records since forget(), one word each: "root", "a" (a call of it), "a." (its exit),
  // "void", "hole", "stack", "unwind", "closed", "lost", "waited", ...; without the message by
  // which a thread begins.
  std::vector<std::string> records();
  void forget();
  // The last record of a kind.
  struct Control {
    uint64_t a, b, c;
  };
  Control last(ControlKind kind);
  // The lane position of the last entry of a function.
  uint64_t position(char function);
  // The chunks of the lane, first to last.
  std::vector<uint32_t> chunks() const;
  // Chunks on the stack of free ones.
  std::vector<uint32_t> free_chunks() const;
  uint64_t lost(LossReason reason) const { return header()->lost[static_cast<size_t>(reason)]; }

  TestSegment segment;

 private:
  struct Place {
    const uint64_t* words;
    uint64_t position;
  };
  std::vector<Place> places() const;

  uint64_t forgotten_ = 0;
};

}  // namespace telinject::test
