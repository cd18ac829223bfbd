// Exceptions and crashes: from what the program recorded to what its events say.
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/drain/naming/crash_text.h"
#include "shim/drain/spans/processor.h"
#include "shim/symbols/demangle.h"

namespace telinject::drain {

namespace {

std::vector<uint64_t> addresses_of(std::string_view bytes, size_t count) {
  std::vector<uint64_t> addresses(std::min(count, bytes.size() / sizeof(uint64_t)));
  if (!addresses.empty()) {
    std::memcpy(addresses.data(), bytes.data(), addresses.size() * sizeof(uint64_t));
  }
  return addresses;
}

// "St13runtime_error" -> "std::runtime_error"
std::string type_name(std::string_view mangled) {
  if (mangled.empty()) return "unknown";
  std::string name = demangle(std::string("_ZTI").append(mangled));
  constexpr std::string_view kPrefix = "typeinfo for ";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::string(mangled);
}

void push_flight(Thread* thread, Flight flight) {
  if (thread->flights.size() == kMaxFlights) thread->flights.erase(thread->flights.begin());
  thread->flights.push_back(std::move(flight));
}

// Who catches in order to end the program: a noexcept function's frame was reached, or no handler
// was found.
bool ends_program(std::string_view function) {
  return function == "__cxa_call_terminate" || function == "__clang_call_terminate" ||
         function == "__cxa_throw" || function == "__cxa_rethrow" ||
         function == "std::rethrow_exception" || function == "__cxa_call_unexpected";
}

}  // namespace

void Processor::thrown(Thread* thread, const AssembledMessage& message, uint64_t ticks) {
  auto head = message.head<ThrowMessage>();
  if (!head.has_value()) return;
  std::string_view rest = std::string_view(message.bytes).substr(sizeof *head);
  std::vector<uint64_t> addresses = addresses_of(rest, head->frames);
  rest.remove_prefix(addresses.size() * sizeof(uint64_t));
  std::string_view type = rest.substr(0, head->type_bytes);
  rest.remove_prefix(type.size());
  std::string_view text = rest.substr(0, head->text_bytes);
  Flight flight = {};
  flight.exception = head->exception;
  flight.opened = thread->tree.opened();
  bool foreign = (head->flags & ThrowMessage::kForeign) != 0;
  flight.error.type = foreign ? "foreign exception" : type_name(type);
  flight.error.message = cut_characters(text, kMaxMessageCharacters);
  StackText stack = stack_text(&stacks_, &thread->process->code, addresses, /*throwing=*/true);
  flight.error.stack = stack.text;
  flight.thrown_in = stack.function;
  // libc++abi rethrows in the way that it throws.
  flight.rethrown = stack.rethrown || (head->flags & ThrowMessage::kRethrown) != 0;
  // libstdc++'s terminate handler throws it again to print what() of it.
  if (flight.rethrown && thread->terminating) return;
  flight.stack_skipped = (head->flags & ThrowMessage::kStackSkipped) != 0;
  flight.stacks_skipped = head->stacks_skipped;
  // Those that have come to a handler are caught: this is thrown there.
  FrameStack* stack_there = thread->tree.inner_stack_at(head->sp);
  const Frame* frame = stack_there != nullptr ? &stack_there->frames.back() : nullptr;
  while (!thread->flights.empty() && thread->flights.back().landed) {
    if (frame == nullptr) {
      thread->flights.pop_back();
      continue;
    }
    int64_t ns = std::max(clock_->to_ns(ticks), frame->start_ns);
    end_flight(thread, Outcome::kCaught, thread->flights.back().landed_pc, stack_there, *frame, ns);
  }
  push_flight(thread, std::move(flight));
}

void Processor::unwound(Thread* thread, uint64_t word, uint64_t pc, uint64_t sp, uint64_t ticks) {
  UnwindKind kind = unwind_kind(word);
  uint64_t exception = unwind_exception(word);
  Flights& flights = thread->flights;
  auto under_way = [&] {
    return std::any_of(flights.begin(), flights.end(),
                       [&](const Flight& flight) { return flight.exception == exception; });
  };
  if (kind == UnwindKind::kLongjmp) thread->terminating = false;
  if (kind != UnwindKind::kNoHandler) thread->tree.unwind(kind, pc, sp, ticks);
  if (kind == UnwindKind::kLandingPad && !under_way()) {
    Flight flight = {};
    flight.exception = exception;
    flight.opened = thread->tree.opened();
    flight.forced = true;
    push_flight(thread, std::move(flight));
  }
  if (kind == UnwindKind::kLongjmp || kind == UnwindKind::kLandingPad || !under_way()) return;
  // Exceptions that were thrown since, and never caught, have been left behind.
  while (flights.back().exception != exception) flights.pop_back();
  if (kind == UnwindKind::kHandler) {
    flights.back().landed = true;
    flights.back().landed_sp = sp;
    flights.back().landed_pc = pc;
    return;
  }
  FrameStack* stack = thread->tree.inner_stack_at(sp);
  if (stack == nullptr) {
    flights.pop_back();
    return;
  }
  const Frame& frame = stack->frames.back();
  int64_t ns = std::max(clock_->to_ns(ticks), frame.start_ns);
  // g++: at a noexcept function std::terminate begins a catch without going to a handler.
  bool caught = kind == UnwindKind::kBeginCatch && flights.back().landed;
  Outcome outcome = caught ? Outcome::kCaught : Outcome::kNotCaught;
  end_flight(thread, outcome, pc, stack, frame, ns);
}

// The exception that has left a frame which is being closed; null if none has. Ends flights that
// this shows to be over.
Flight* Processor::flight_that_left(Thread* thread, FrameStack* stack, const Frame& frame,
                                    ExitKind kind, int64_t ns) {
  Flights& flights = thread->flights;
  if (kind != ExitKind::kReturned && kind != ExitKind::kUnwound) {
    bool jumped = kind == ExitKind::kLongjmp;
    if (jumped && frame.number > flights.back().opened) return nullptr;
    while (!flights.empty()) {
      end_flight(thread, jumped ? Outcome::kUnknown : Outcome::kNotCaught, 0, stack, frame, ns);
    }
    return nullptr;
  }
  Flight& flight = flights.back();
  if (frame.number > flight.opened) return nullptr;
  // The frame that the unwinder went to is left: so the exception was caught there, by a runtime
  // whose
  // __cxa_begin_catch is not seen. (What is inlined there may be left before the catch.)
  bool physical = frame.site->chain.size() <= 1;
  if (flight.landed &&
      (frame.sp > flight.landed_sp || (frame.sp == flight.landed_sp && physical))) {
    end_flight(thread, Outcome::kCaught, flight.landed_pc, stack, frame, ns);
    return nullptr;
  }
  if (!stack->frames.empty()) return &flight;
  // It leaves the outermost traced call. The flight itself is needed once more.
  Flight copy = flight;
  end_flight(thread, Outcome::kLeft, 0, stack, frame, ns);
  while (!flights.empty()) end_flight(thread, Outcome::kUnknown, 0, stack, frame, ns);
  flights.push_back(std::move(copy));
  return &flights.back();
}

// Tells the last flight's end, in the span of `frame`, which is open, or is being closed and was on
// `stack`.
void Processor::end_flight(Thread* thread, Outcome outcome, uint64_t pc, FrameStack* stack,
                           const Frame& frame, int64_t ns) {
  Flight flight = std::move(thread->flights.back());
  thread->flights.pop_back();
  if (flight.forced) return;
  Process* process = thread->process;
  std::string catcher;
  SourceLine line;
  if (outcome == Outcome::kCaught) {
    CodePlace place = process->code.find(pc);
    if (place.module != nullptr) {
      std::vector<InlineFrame> frames = place.module->frames(place.vaddr);
      if (!frames.empty()) catcher = frames.back().name;
      line = place.module->call_line(place.vaddr);
    }
    if (ends_program(catcher)) outcome = Outcome::kNotCaught;
  }
  std::vector<Attribute> attributes = {{"exception_raised", true},
                                       {"exception_type", flight.error.type}};
  std::string message = absl::StrCat(flight.error.type, " thrown");
  if (!flight.thrown_in.empty()) {
    attributes.push_back({"telinject.thrown_in", flight.thrown_in});
    absl::StrAppend(&message, " in ", flight.thrown_in);
  }
  switch (outcome) {
    case Outcome::kCaught:
      attributes.push_back({"telinject.caught", true});
      if (!catcher.empty()) {
        attributes.push_back({"telinject.caught_in", catcher});
        absl::StrAppend(&message, ", caught in ", catcher);
      } else {
        message += ", caught";
      }
      if (!line.file.empty()) {
        attributes.push_back({"telinject.caught_file", line.file});
        attributes.push_back({"telinject.caught_line", uint64_t{line.line}});
      }
      break;
    case Outcome::kNotCaught:
      thread->terminating = true;
      attributes.push_back({"telinject.caught", false});
      message += ", not caught";
      break;
    case Outcome::kLeft:
      message += ", left the outermost traced call";
      break;
    case Outcome::kUnknown:
      message += ", abandoned";
      break;
  }
  if (!frame.sampled) return;
  if (flight.rethrown) attributes.push_back({"telinject.rethrown", true});
  if (flight.stack_skipped) attributes.push_back({"telinject.stack_skipped", true});
  if (flight.stacks_skipped != 0) {
    attributes.push_back({"telinject.stacks_skipped", uint64_t{flight.stacks_skipped}});
  }
  events_.introduce(process, ns);
  ErrorInfo error = flight.error.info();
  PointEvent event;
  event.place = place_in(thread, stack, frame, ns);
  event.kind = PointKind::kException;
  event.thread = &thread->info;
  event.function = &frame.site->function;
  event.message = message;
  event.attributes = attributes;
  event.error = &error;
  events_.note(process, &event);
}

void Processor::crashed(Thread* thread, const AssembledMessage& message) {
  auto head = message.head<CrashMessage>();
  if (!head.has_value()) return;
  Process* process = thread->process;
  if (process->crash.has_value()) return;  // the first is what ends it
  std::string_view rest = std::string_view(message.bytes).substr(sizeof *head);
  std::vector<uint64_t> addresses = addresses_of(rest, head->frames);
  rest.remove_prefix(addresses.size() * sizeof(uint64_t));
  Crash crash = {};
  crash.signal = head->signal;
  crash.error.type = signal_name(head->signal);
  std::string_view last_words = rest.substr(0, head->text_bytes);
  crash.error.message = crash_text(*head, last_words, process->pid);
  StackText stack = stack_text(&stacks_, &process->code, addresses, /*throwing=*/false);
  crash.error.stack = stack.text;
  process->crash = std::move(crash);
  thread->crashed = true;
}

// The exit status, for the main thread's outermost span.
ErrorText exit_error(int status) {
  if (status == 0) return {};
  return {"exit_status", absl::StrCat("the process ended with exit status ", status), ""};
}

bool Processor::returns_from_main(const Thread& thread, const FrameStack& stack, const Frame& frame,
                                  ExitKind kind, bool upper_bound) const {
  return frame.site->is_main && kind == ExitKind::kReturned && !upper_bound &&
         thread.info.tid == thread.process->pid && stack.frames.empty();
}

// main has returned, but what it returned is only known when the process ends.
void Processor::defer_main(Thread* thread, const Frame& frame, int64_t end_ns) {
  thread->deferred_main = DeferredExit{frame, end_ns};
}

void Processor::emit_main(Thread* thread, int status) {
  if (!thread->deferred_main.has_value()) return;
  DeferredExit exit = *std::exchange(thread->deferred_main, std::nullopt);
  ErrorText error = exit_error(status);
  ErrorInfo info = error.info();
  ExitNote note = time_note(exit.frame, exit.frame.duration_ns(exit.end_ns));
  events_.exit(thread, exit.frame, exit.end_ns, &note, error.empty() ? nullptr : &info);
}

// What ended the process, for a span that was open then.
void Processor::describe_death(Thread* thread, const FrameStack& stack, const Frame& frame,
                               ExitKind kind, ErrorText* error) {
  const Process& process = *thread->process;
  if (kind == ExitKind::kProcessExit) {
    bool root = stack.frames.empty() && thread->info.tid == process.pid;
    if (root) *error = exit_error(process.exit_status());
    return;
  }
  if (!process.end.known && !process.crash.has_value()) {
    error->type = "unknown";
    error->message = "the process ended; its exit status is not known";
    return;
  }
  int signal = process.end.known ? WTERMSIG(process.end.status) : process.crash->signal;
  error->type = signal_name(signal);
  if (process.crash.has_value() && process.crash->signal == signal) {
    error->message = process.crash->error.message;
    if (thread->crashed && thread->crash_stacks_told++ < kStacksTold) {
      error->stack = process.crash->error.stack;
    }
    return;
  }
  error->message = "the process was killed by " + error->type;
  if (signal == SIGSEGV && thread->tree.at_end_of_stack(frame)) {
    error->message += ": this thread's stack was used up";
  }
}

}  // namespace telinject::drain
