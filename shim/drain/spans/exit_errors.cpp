#include "shim/drain/spans/exit_errors.h"

#include <sys/wait.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/drain/naming/crash_text.h"
#include "shim/drain/naming/sites.h"
#include "shim/drain/spans/exit_note.h"

namespace telinject::drain {

namespace {

constexpr char kExitStatus[] = "exit_status";

// The error of main's span, and of the outermost one that exit() ended.
ErrorText status_error(int status) {
  if (status == 0) return {};
  return {kExitStatus, absl::StrCat("the process ended with exit status ", status), ""};
}

}  // namespace

void ExitErrors::crashed(Thread* thread, const AssembledMessage& message) {
  auto head = message.head<CrashMessage>();
  if (!head.has_value()) return;
  Process* process = thread->process;
  if (process->crash.has_value()) return;  // the first is what ends it
  std::vector<uint64_t> addresses = addresses_of(message.bytes, sizeof *head, head->frames);
  std::string_view last_words =
      message.text(sizeof *head + addresses.size() * sizeof(uint64_t), head->text_bytes);
  Crash crash = {};
  crash.signal = head->signal;
  crash.error.type = signal_name(head->signal);
  crash.error.message = crash_text(*head, last_words, process->pid);
  StackText stack = stack_text(stacks_, &process->code, addresses, /*throwing=*/false);
  crash.error.stack = stack.text;
  process->crash = std::move(crash);
  thread->errors.crashed = true;
}

ErrorText ExitErrors::error_of(Thread* thread, const FrameStack& stack, const Frame& frame,
                               ExitKind kind) {
  const Process& process = *thread->process;
  if (kind == ExitKind::kProcessExit) {
    bool root = stack.frames.empty() && thread->info.tid == process.pid;
    return root ? status_error(process.exit_status()) : ErrorText{};
  }
  if (!process.end.known && !process.crash.has_value()) {
    return {"unknown", "the process ended; its exit status is not known", ""};
  }
  int signal = process.end.known ? WTERMSIG(process.end.status) : process.crash->signal;
  ErrorText error = {signal_name(signal), "", ""};
  if (process.crash.has_value() && process.crash->signal == signal) {
    error.message = process.crash->error.message;
    if (thread->errors.crashed && thread->errors.crash_stacks_told++ < kStacksTold) {
      error.stack = process.crash->error.stack;
    }
    return error;
  }
  error.message = "the process was killed by " + error.type;
  if (signal == SIGSEGV && thread->tree.at_end_of_stack(frame)) {
    error.message += ": this thread's stack was used up";
  }
  return error;
}

std::string ExitErrors::death_of(const Process& process) {
  if (process.end.known) return signal_name(WTERMSIG(process.end.status));
  return process.crash.has_value() ? signal_name(process.crash->signal) : "unknown";
}

void ExitErrors::count_end(const Process& process) {
  if (process.executed) return;
  bool killed = process.end.known ? WIFSIGNALED(process.end.status) : process.crash.has_value();
  if (killed) {
    std::string death = death_of(process);
    bool by_crash = process.crash.has_value() && process.crash->error.type == death;
    ErrorText error = by_crash ? process.crash->error : ErrorText{death, "killed by " + death, ""};
    events_->errors().process(death, error.message, error.stack);
  } else if (process.exit_status() != 0) {
    ErrorText error = status_error(process.exit_status());
    events_->errors().process(error.type, error.message, error.stack);
  }
}

bool ExitErrors::returns_from_main(const Thread& thread, const FrameStack& stack,
                                   const Frame& frame, ExitKind kind, bool upper_bound) {
  return frame.site->is_main && kind == ExitKind::kReturned && !upper_bound &&
         thread.info.tid == thread.process->pid && stack.frames.empty();
}

void ExitErrors::emit_deferred_main(Thread* thread, int status) {
  DeferredExit exit = *std::exchange(thread->errors.deferred_main, std::nullopt);
  ErrorText error = status_error(status);
  ErrorInfo info = error.info();
  ExitNote note = time_note(exit.frame, exit.frame.duration_ns(exit.end_ns));
  events_->exit(thread, exit.frame, exit.end_ns, &note, error.empty() ? nullptr : &info);
}

}  // namespace telinject::drain
