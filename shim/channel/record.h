// Binary records of a lane, in units of 16 bytes.
//
//   entry    32 bytes  { ticks, this_fn, call_site | kSecondUnit, sp:32 | return_address:32 << 32 }
//   exit     16 bytes  { ticks | kExitBit, this_fn:32 | sp:32 << 32 }
//   control  32 bytes  { ticks, kControlBit | kind << 48 | a:48, b:62 | kSecondUnit, c:64 }
//   void     16 bytes  { kVoid, - }
//
// The first word is never 0 and is stored last: 0 means "not written yet". The top two bits of each
// unit's first word tell what it is: 00 starts a 32-byte record, 01 is its second half, 1x is a
// record of one unit. So a reader can walk backwards, and find its feet again behind a hole: a
// record that was reserved by a hook which a signal handler left for good by longjmp. The longjmp
// wrapper fills such holes with voids.
//
// `sp` is the hook's canonical frame address, that is the stack pointer of the instrumented
// function at the call of the hook; inlined functions share it, and the call site, with the
// function they are inlined into. Only the hook's own return address tells them apart.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telinject {

inline constexpr uint64_t kExitBit = uint64_t{1} << 63;
inline constexpr uint64_t kControlBit = uint64_t{1} << 63;  // in the second word
inline constexpr uint64_t kSecondUnit = uint64_t{1} << 62;
inline constexpr uint64_t kTicksMask = ~(kExitBit | kSecondUnit);
inline constexpr uint64_t kVoid = kExitBit;  // an exit at no time
inline constexpr size_t kUnitBytes = 16;
inline constexpr size_t kEntryBytes = 32;
inline constexpr size_t kExitBytes = 16;
inline constexpr size_t kControlBytes = 32;

enum class ControlKind : uint16_t {
  kRoot = 1,     // a trace starts with the next entry. a: RootFlags, b: root number, c: sp
  kStack,        // the thread now runs on another stack. a: its size, b: lowest address, c: 0,
                 // kStackIsNew, or sp if these are a guess
  kUnwind,       // frames are gone. a: unwind_word(), b: target pc, c: target sp
  kClosed,       // exits that did not fit. a: low 32 bits of the last one's function, or 0 if it
                 // was an unwind; b: how many; c: sp up to which frames are gone
  kLost,         // calls that were not recorded here. c: how many
  kSpawn,        // a child thread or process starts here and refers to this record
  kExec,         // exec is about to replace this image (or, after vfork, the child's). c: sp
  kExecFailed,   // ... it did not
  kVfork,        // c: sp of the caller; what is opened below it belongs to the child
  kVforkEnd,     // the child of vfork has gone by _exit
  kExit,         // the process is about to end by itself. a: status + 1, or 0 if unknown
  kThreadExit,   // the thread called pthread_exit
  kLaneEnded,    // the process, about to end, sees that a lane's thread has ended before. a: lane
  kChildEnded,   // a forked child was waited for. a: its process id << 16 | its wait status
  kMessage,      // a message follows. a: MessageType, b: bytes
  kMessageData,  // 21 bytes of it: 6 in a, 7 in b, 8 in c
  kWaited,       // the thread waited for room. b: for how many ticks; what is
                 // open then was open all that while
  kPreempted,    // made by the drain: the thread was ready to run, and another one ran, up to here.
                 // b: for how many ticks
};

enum RootFlags : uint64_t {
  kRootInherited = 1,   // continues the thread's or process's inherited context
  kRootOnStack = 2,     // first frame of another stack: continues what ran before the switch
  kRootNotSampled = 4,  // recorded for the totals alone (TELEMETRY_TOTALS=exact)
  kRootUnsure = 8,      // the program has forgotten whether anything is open on this stack
};

// In a kStack record: what was open in that memory is over, for it is another coroutine's stack.
inline constexpr uint64_t kStackIsNew = 1;

enum class UnwindKind : uint64_t {
  kLongjmp = 0,
  kLandingPad = 1,  // to a cleanup
  kBeginCatch = 2,
  kHandler = 3,    // to a handler
  kNoHandler = 4,  // it is not caught: no frame is gone
};

// With the exception (the address of its unwinder's header, which is aligned to 16; 0 none).
constexpr uint64_t unwind_word(UnwindKind kind, uint64_t exception) {
  return (exception & 0xfffffffffff0) | static_cast<uint64_t>(kind);
}
constexpr UnwindKind unwind_kind(uint64_t word) {
  return static_cast<UnwindKind>(word & 15);
}
constexpr uint64_t unwind_exception(uint64_t word) {
  return word & 0xfffffffffff0;
}

constexpr uint64_t control_word(ControlKind kind, uint64_t a) {
  return kControlBit | uint64_t{static_cast<uint16_t>(kind)} << 48 | (a & 0xffffffffffff);
}
constexpr ControlKind control_kind(uint64_t word) {
  return static_cast<ControlKind>(word >> 48 & 0x7fff);
}
constexpr uint64_t control_a(uint64_t word) {
  return word & 0xffffffffffff;
}
constexpr uint64_t control_b(uint64_t word) {
  return word & kTicksMask;
}

constexpr bool is_exit(uint64_t first_word) {
  return (first_word & kExitBit) != 0;
}
constexpr bool is_second_unit(uint64_t word) {
  return (word >> 62) == 1;
}
constexpr bool is_control(uint64_t second_word) {
  return (second_word & kControlBit) != 0;
}
// The size of a written record, or of a stray second half, which is skipped by itself.
constexpr size_t record_bytes(uint64_t first_word) {
  return first_word >> 62 == 0 ? kEntryBytes : kUnitBytes;
}

}  // namespace telinject
