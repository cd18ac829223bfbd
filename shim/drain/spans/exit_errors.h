// How a process ended, as an error of the spans that ended with it: what it crashed of, the signal
// that killed it, the exit status that is not 0.
//
// Owns, in the model: Process::crash, and of Thread::errors what concerns ends: that the thread
// crashed, and the end of main, which is deferred. main has returned then, but what it returned is
// known when the process ends.
//
// Promises: a deferred end of main is emitted once, before anything else of its thread.
#pragma once

#include <cstdint>
#include <string>

#include "shim/drain/naming/stack_text.h"
#include "shim/drain/records/message_assembler.h"
#include "shim/drain/spans/event_writer.h"
#include "shim/drain/spans/process_model.h"

namespace telinject::drain {

class ExitErrors {
 public:
  ExitErrors(StackNamer* stacks, EventWriter* events) : stacks_(stacks), events_(events) {}

  // A fatal signal has come: the program says which.
  void crashed(Thread* thread, const AssembledMessage& message);
  // What ended the process, for a span that was open then; empty if that is no error. `stack` is
  // the one that the frame was on.
  ErrorText error_of(Thread* thread, const FrameStack& stack, const Frame& frame, ExitKind kind);

  // The type of error that a process died of: its signal's name, "unknown".
  static std::string death_of(const Process& process);
  // The process has ended. Counts that as an error, if it is one.
  void count_end(const Process& process);

  // main's plain return, on the process's first thread.
  static bool returns_from_main(const Thread& thread, const FrameStack& stack, const Frame& frame,
                                ExitKind kind, bool upper_bound);
  static void defer_main(Thread* thread, const Frame& frame, int64_t end_ns) {
    thread->errors.deferred_main = DeferredExit{frame, end_ns};
  }
  void emit_main(Thread* thread, int status) {
    if (thread->errors.deferred_main.has_value()) emit_deferred_main(thread, status);
  }

 private:
  void emit_deferred_main(Thread* thread, int status);

  StackNamer* stacks_;
  EventWriter* events_;
};

}  // namespace telinject::drain
