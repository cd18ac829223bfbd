// What telrun's supervisor and its drain say to each other, over a SEQPACKET socket pair.
#pragma once

#include <cstdint>

namespace telinject {

// Descriptors that a drain is started with. 2 is where its own messages go.
//   under telrun:      kDrainControlFd (socket pair), kDrainListenFd, kDrainAbstractFd
//   under a preload:   kDrainSegmentFd (the program's memfd), kDrainPidfdFd, and the two listeners
//   both:              kDrainOutputFd, if events go to a descriptor of the program and it is open
// Which of them are there is said by the drain's arguments (shim/cli/README.md).
inline constexpr int kDrainControlFd = 3;
inline constexpr int kDrainSegmentFd = 3;
inline constexpr int kDrainListenFd = 4;    // bound to the session's path, listening; may be closed
inline constexpr int kDrainAbstractFd = 5;  // bound to the session's abstract name, listening
inline constexpr int kDrainPidfdFd = 6;
inline constexpr int kDrainOutputFd = 7;

// The status of a drain that could not do its work and has said why: telrun adds no line.
inline constexpr int kDrainGaveUp = 79;

enum class ControlType : uint32_t {
  // supervisor -> drain
  kStarted = 1,  // pid; text: the path of the program's file, as found
  kEnded,        // pid, status as of wait(2): write all that has ended, print the summary, answer
  kStop,         // leave what is not written yet as a recording, answer
  // drain -> supervisor
  kWritten,  // all that ended before kEnded is written. status: 1 if the drain ends now (telrun
  // reaps it, so that init does not inherit it), 0 if it may stay for processes that still run
  // supervisor -> drain, and back
  kForeground,  // status: 1 if the drain may draw on the terminal that is its stderr, after kEnded;
                // 0: not any more. It answers with the same
};

struct ControlMessage {
  ControlType type;
  int32_t pid;
  int32_t status;
  uint32_t text_bytes;
  char text[4096];
};

}  // namespace telinject
