#include "shim/drain/spans/exception_spans.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/drain/naming/crash_text.h"
#include "shim/drain/naming/sites.h"
#include "shim/symbols/demangle.h"

namespace telinject::drain {

namespace {

// "St13runtime_error" -> "std::runtime_error"
std::string type_name(std::string_view mangled) {
  if (mangled.empty()) return "unknown";
  std::string name = demangle(std::string("_ZTI").append(mangled));
  constexpr std::string_view kPrefix = "typeinfo for ";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::string(mangled);
}

void push_flight(Thread* thread, Flight flight) {
  Flights& flights = thread->errors.flights;
  if (flights.size() == kMaxFlights) flights.erase(flights.begin());
  flights.push_back(std::move(flight));
}

bool under_way(const Flights& flights, uint64_t exception) {
  return std::any_of(flights.begin(), flights.end(),
                     [&](const Flight& flight) { return flight.exception == exception; });
}

// pthread_exit or pthread_cancel; or an exception whose throw is not known.
Flight forced_flight(const Thread& thread, uint64_t exception) {
  Flight flight = {};
  flight.exception = exception;
  flight.opened = thread.tree.opened();
  flight.forced = true;
  return flight;
}

// Who catches in order to end the program: a noexcept function's frame was reached, or no handler
// was found.
bool ends_program(std::string_view function) {
  return function == "__cxa_call_terminate" || function == "__clang_call_terminate" ||
         function == "__cxa_throw" || function == "__cxa_rethrow" ||
         function == "std::rethrow_exception" || function == "__cxa_call_unexpected";
}

}  // namespace

// Where an exception was caught; empty if that is not known.
struct ExceptionSpans::Catcher {
  std::string function;
  SourceLine line;

  static Catcher at(Process* process, uint64_t pc) {
    Catcher catcher;
    CodePlace place = process->code.find(pc);
    if (place.module == nullptr) return catcher;
    std::vector<InlineFrame> frames = place.module->frames(place.vaddr);
    if (!frames.empty()) catcher.function = frames.back().name;
    catcher.line = place.module->call_line(place.vaddr);
    return catcher;
  }
};

// What the event says. Refers to the flight and the catcher.
struct ExceptionSpans::Story {
  std::string message;
  std::vector<Attribute> attributes;

  explicit Story(const Flight& flight)
      : message(absl::StrCat(flight.error.type, " thrown")),
        attributes{{"exception_raised", true}, {"exception_type", flight.error.type}} {
    if (flight.thrown_in.empty()) return;
    attributes.push_back({"telinject.thrown_in", flight.thrown_in});
    absl::StrAppend(&message, " in ", flight.thrown_in);
  }

  void add(Outcome outcome, const Catcher& catcher) {
    switch (outcome) {
      case Outcome::kCaught:
        attributes.push_back({"telinject.caught", true});
        return add(catcher);
      case Outcome::kNotCaught:
        attributes.push_back({"telinject.caught", false});
        message += ", not caught";
        return;
      case Outcome::kLeft:
        message += ", left the outermost traced call";
        return;
      case Outcome::kUnknown:
        message += ", abandoned";
        return;
    }
  }

  void add(const Catcher& catcher) {
    message += ", caught";
    if (!catcher.function.empty()) {
      attributes.push_back({"telinject.caught_in", catcher.function});
      absl::StrAppend(&message, " in ", catcher.function);
    }
    if (catcher.line.file.empty()) return;
    attributes.push_back({"telinject.caught_file", catcher.line.file});
    attributes.push_back({"telinject.caught_line", uint64_t{catcher.line.line}});
  }

  void add_origin(const Flight& flight) {
    if (flight.rethrown) attributes.push_back({"telinject.rethrown", true});
    if (flight.stack_skipped) attributes.push_back({"telinject.stack_skipped", true});
    if (flight.stacks_skipped == 0) return;
    attributes.push_back({"telinject.stacks_skipped", uint64_t{flight.stacks_skipped}});
  }
};

int64_t ExceptionSpans::time_in(const Frame& frame, uint64_t ticks) {
  return std::max(clock_->to_ns(ticks), frame.start_ns);
}

Flight ExceptionSpans::flight_of(Thread* thread, const AssembledMessage& message,
                                 const ThrowMessage& head) {
  std::vector<uint64_t> addresses = addresses_of(message.bytes, sizeof head, head.frames);
  size_t next = sizeof head + addresses.size() * sizeof(uint64_t);
  std::string_view type = message.text(next, head.type_bytes);
  std::string_view text = message.text(next + type.size(), head.text_bytes);
  Flight flight = {};
  flight.exception = head.exception;
  flight.opened = thread->tree.opened();
  bool foreign = (head.flags & ThrowMessage::kForeign) != 0;
  flight.error.type = foreign ? "foreign exception" : type_name(type);
  flight.error.message = cut_characters(text, kMaxMessageCharacters);
  StackText stack = stack_text(stacks_, &thread->process->code, addresses, /*throwing=*/true);
  flight.error.stack = stack.text;
  flight.thrown_in = stack.function;
  // libc++abi rethrows in the way that it throws.
  flight.rethrown = stack.rethrown || (head.flags & ThrowMessage::kRethrown) != 0;
  flight.stack_skipped = (head.flags & ThrowMessage::kStackSkipped) != 0;
  flight.stacks_skipped = head.stacks_skipped;
  return flight;
}

void ExceptionSpans::thrown(Thread* thread, const AssembledMessage& message, uint64_t ticks) {
  auto head = message.head<ThrowMessage>();
  if (!head.has_value()) return;
  Flight flight = flight_of(thread, message, *head);
  // libstdc++'s terminate handler throws it again to print what() of it.
  if (flight.rethrown && thread->errors.terminating) return;
  end_landed(thread, head->sp, ticks);
  push_flight(thread, std::move(flight));
}

// Those that have come to a handler are caught: another one is thrown there.
void ExceptionSpans::end_landed(Thread* thread, uint64_t sp, uint64_t ticks) {
  Flights& flights = thread->errors.flights;
  FrameStack* stack = thread->tree.inner_stack_at(sp);
  const Frame* frame = stack != nullptr ? &stack->frames.back() : nullptr;
  while (!flights.empty() && flights.back().landed) {
    if (frame == nullptr) {
      flights.pop_back();
      continue;
    }
    end_flight({thread, stack, *frame, time_in(*frame, ticks)}, Outcome::kCaught,
               flights.back().landed_pc);
  }
}

void ExceptionSpans::unwound(Thread* thread, uint64_t word, uint64_t pc, uint64_t sp,
                             uint64_t ticks) {
  UnwindKind kind = unwind_kind(word);
  uint64_t exception = unwind_exception(word);
  Flights& flights = thread->errors.flights;
  if (kind == UnwindKind::kLongjmp) thread->errors.terminating = false;
  if (kind != UnwindKind::kNoHandler) thread->tree.unwind(kind, pc, sp, ticks);
  if (kind == UnwindKind::kLongjmp) return;
  bool known = under_way(flights, exception);
  if (kind == UnwindKind::kLandingPad) {
    if (!known) push_flight(thread, forced_flight(*thread, exception));
    return;
  }
  if (!known) return;
  // Exceptions that were thrown since, and never caught, have been left behind.
  while (flights.back().exception != exception) flights.pop_back();
  if (kind == UnwindKind::kHandler) {
    flights.back().landed = true;
    flights.back().landed_sp = sp;
    flights.back().landed_pc = pc;
    return;
  }
  end_at(thread, kind, pc, sp, ticks);
}

// The last one's: a catch begins, or there is no handler.
void ExceptionSpans::end_at(Thread* thread, UnwindKind kind, uint64_t pc, uint64_t sp,
                            uint64_t ticks) {
  Flights& flights = thread->errors.flights;
  FrameStack* stack = thread->tree.inner_stack_at(sp);
  if (stack == nullptr) {
    flights.pop_back();
    return;
  }
  const Frame& frame = stack->frames.back();
  // g++: at a noexcept function std::terminate begins a catch without going to a handler.
  bool caught = kind == UnwindKind::kBeginCatch && flights.back().landed;
  Outcome outcome = caught ? Outcome::kCaught : Outcome::kNotCaught;
  end_flight({thread, stack, frame, time_in(frame, ticks)}, outcome, pc);
}

Flight* ExceptionSpans::flight_that_left(Thread* thread, FrameStack* stack, const Frame& frame,
                                         ExitKind kind, int64_t ns) {
  Place place = {thread, stack, frame, ns};
  Flight& flight = thread->errors.flights.back();
  bool older = frame.number <= flight.opened;
  if (kind != ExitKind::kReturned && kind != ExitKind::kUnwound) {
    bool jumped = kind == ExitKind::kLongjmp;
    if (older || !jumped) end_all(place, jumped ? Outcome::kUnknown : Outcome::kNotCaught);
    return nullptr;
  }
  if (!older) return nullptr;
  // The frame that the unwinder went to is left: so the exception was caught there, by a runtime
  // whose __cxa_begin_catch is not seen. (What is inlined there may be left before the catch.)
  bool physical = frame.site->chain.size() <= 1;
  if (flight.landed &&
      (frame.sp > flight.landed_sp || (frame.sp == flight.landed_sp && physical))) {
    end_flight(place, Outcome::kCaught, flight.landed_pc);
    return nullptr;
  }
  return stack->frames.empty() ? flight_that_left_all(place) : &flight;
}

// It leaves the outermost traced call. The flight itself is needed once more.
Flight* ExceptionSpans::flight_that_left_all(const Place& place) {
  Flights& flights = place.thread->errors.flights;
  Flight copy = flights.back();
  end_flight(place, Outcome::kLeft, 0);
  end_all(place, Outcome::kUnknown);
  flights.push_back(std::move(copy));
  return &flights.back();
}

void ExceptionSpans::end_all(const Place& place, Outcome outcome) {
  while (!place.thread->errors.flights.empty()) end_flight(place, outcome, 0);
}

// The last one's, in that place; caught at `pc`.
void ExceptionSpans::end_flight(const Place& place, Outcome outcome, uint64_t pc) {
  ErrorState& errors = place.thread->errors;
  Flight flight = std::move(errors.flights.back());
  errors.flights.pop_back();
  if (flight.forced) return;
  if (!flight.rethrown) {
    const ErrorText& error = flight.error;
    events_->errors().exception(error.type, error.message, error.stack);
  }
  Catcher catcher;
  if (outcome == Outcome::kCaught) {
    catcher = Catcher::at(place.thread->process, pc);
    if (ends_program(catcher.function)) outcome = Outcome::kNotCaught;
  }
  if (outcome == Outcome::kNotCaught) errors.terminating = true;
  if (place.frame.sampled) tell(place, flight, outcome, catcher);
}

void ExceptionSpans::tell(const Place& place, const Flight& flight, Outcome outcome,
                          const Catcher& catcher) {
  Process* process = place.thread->process;
  Story story(flight);
  story.add(outcome, catcher);
  story.add_origin(flight);
  events_->introduce(process, place.ns);
  ErrorInfo error = flight.error.info();
  PointEvent event;
  event.place = emitter_->place_in(place.thread, place.stack, place.frame, place.ns);
  event.kind = PointKind::kException;
  event.thread = &place.thread->info;
  event.function = &place.frame.site->function;
  event.message = story.message;
  event.attributes = story.attributes;
  event.error = &error;
  events_->note(process, &event);
}

}  // namespace telinject::drain
