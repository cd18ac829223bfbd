#include "shim/drain/sampling/event_relay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/ids.h"
#include "shim/channel/settings.h"
#include "shim/drain/sampling/saved_numbers.h"

namespace telinject::drain {

namespace {

constexpr uint32_t kNoNumber = CastNumbers::kNone;
// Notes of the drain's own have numbers below (EventWriter).
constexpr uint64_t kFirstNote = uint64_t{1} << 40;

uint32_t number_in(const std::vector<uint32_t>& numbers, uint32_t theirs) {
  return theirs < numbers.size() ? numbers[theirs] : kNoNumber;
}

void set_number(std::vector<uint32_t>* numbers, uint32_t theirs, uint32_t ours) {
  if (theirs >= numbers->size()) numbers->resize(theirs + 1, kNoNumber);
  (*numbers)[theirs] = ours;
}

// A free place, or a new one at the end.
template <typename Entry>
uint32_t take_place(std::vector<Entry>* entries, std::vector<uint32_t>* free) {
  if (free->empty()) {
    entries->emplace_back();
    return static_cast<uint32_t>(entries->size() - 1);
  }
  uint32_t number = free->back();
  free->pop_back();
  return number;
}

}  // namespace

// For what an output makes of its own accord.
class EventRelay::Places final : public EventOutput::Places {
 public:
  Places(EventRelay* relay, Process* process) : relay_(relay), process_(process) {}
  EventPlace note(int64_t timestamp_ns) override {
    relay_->told_++;
    SegmentKey key = process_->infos[0].key;
    uint64_t note = kFirstNote + relay_->notes_++;
    return {++*process_->sequence, timestamp_ns, trace_id(key, kNoteLane, note),
            span_id(key, kNoteLane, note << 4), 0};
  }
  std::shared_ptr<uint64_t> sequence() override { return process_->sequence; }

 private:
  EventRelay* relay_;
  Process* process_;
};

EventRelay::EventRelay(EventOutputs outputs, uint64_t rate, Marks marks)
    : outputs_(std::move(outputs)), rate_(rate), marks_(std::move(marks)) {}

void EventRelay::introduce(const ProcessInfo& process, const Metadata& metadata,
                           std::shared_ptr<uint64_t> sequence) {
  uint32_t number = take_place(&processes_, &free_processes_);
  set_number(&process_numbers_, process.number, number);
  Process& entry = processes_[number];
  entry.infos.fill(process);
  for (uint32_t share = 0; share < kShares; share++) {
    entry.infos[share].number = first_process_ + kShares * number + share;
  }
  ProcessInfo& by_rate = entry.infos[static_cast<size_t>(Share::kByRate)];
  by_rate.sample_rate = rate_of_both(process.sample_rate, rate_);
  entry.metadata = std::make_shared<const Metadata>(metadata);
  entry.sequence = std::move(sequence);
}

uint32_t EventRelay::number_of(const FunctionInfo& function) {
  uint32_t known = number_in(function_numbers_, function.number);
  if (known != kNoNumber) return known;
  uint32_t number = take_place(&functions_, &free_functions_);
  set_number(&function_numbers_, function.number, number);
  Function& entry = functions_[number];
  entry.info = std::make_unique<FunctionInfo>(function);
  entry.info->number = first_function_ + number;
  entry.marked = marks_ != nullptr && marks_(function);
  return number;
}

CastNumbers EventRelay::cast_of(const ProcessInfo* process, const FunctionInfo* function) {
  return {number_in(process_numbers_, process->number),
          function != nullptr ? number_of(*function) : kNoNumber};
}

void EventRelay::forget(const ProcessInfo& process, uint64_t order) {
  uint32_t number = number_in(process_numbers_, process.number);
  if (number == kNoNumber) return;
  process_numbers_[process.number] = kNoNumber;
  forgotten_.push_back({order, true, number});
}

void EventRelay::forget(const FunctionInfo& function, uint64_t order) {
  uint32_t number = number_in(function_numbers_, function.number);
  if (number == kNoNumber) return;
  function_numbers_[function.number] = kNoNumber;
  forgotten_.push_back({order, false, number});
}

void EventRelay::release(uint64_t order) {
  for (; !forgotten_.empty() && forgotten_.front().order <= order; forgotten_.pop_front()) {
    uint32_t number = forgotten_.front().number;
    if (!forgotten_.front().is_process) {
      Function& function = functions_[number];
      for (auto& output : outputs_) {
        if (function.introduced) output->forget(*function.info);
      }
      function = Function();
      free_functions_.push_back(number);
      continue;
    }
    Process& process = processes_[number];
    for (size_t share = 0; share < kShares; share++) {
      if (!process.introduced[share]) continue;
      for (auto& output : outputs_) output->forget(process.infos[share]);
    }
    process = Process();
    free_processes_.push_back(number);
  }
}

EventRelay::Process* EventRelay::introduced(uint32_t number, Share share, int64_t ns) {
  Process& process = processes_[number];
  auto index = static_cast<size_t>(share);
  if (process.introduced[index]) return &process;
  process.introduced[index] = true;
  Places places(this, &process);
  for (auto& output : outputs_) {
    output->introduce(process.infos[index], *process.metadata, ns, &places);
  }
  return &process;
}

const FunctionInfo* EventRelay::introduced_function(uint32_t number, Process* process, Share share,
                                                    int64_t ns) {
  Function& function = functions_[number];
  if (function.introduced) return function.info.get();
  function.introduced = true;
  Places places(this, process);
  const ProcessInfo& info = process->infos[static_cast<size_t>(share)];
  for (auto& output : outputs_) output->introduce(*function.info, info, ns, &places);
  return function.info.get();
}

template <typename Event>
void EventRelay::prepare(Event* event, const CastNumbers& cast, Share share) {
  int64_t ns = event->place.timestamp_ns;
  Process* process = introduced(cast.process, share, ns);
  event->process = &process->infos[static_cast<size_t>(share)];
  event->function =
      cast.function != kNoNumber ? introduced_function(cast.function, process, share, ns) : nullptr;
  event->place.sequence = ++*process->sequence;
  told_++;
}

void EventRelay::tell(SpanStart event, const CastNumbers& cast, Share share) {
  prepare(&event, cast, share);
  for (auto& output : outputs_) output->start(event);
}

void EventRelay::tell(SpanEnd event, const CastNumbers& cast, Share share) {
  prepare(&event, cast, share);
  for (auto& output : outputs_) output->end(event);
}

void EventRelay::tell(PointEvent event, const CastNumbers& cast, Share share) {
  prepare(&event, cast, share);
  for (auto& output : outputs_) output->note(event);
}

void EventRelay::tell(TapeReader* reader, Share share) {
  switch (reader->kind()) {
    case TapeReader::Kind::kStart:
      return tell(reader->start(), reader->cast(), share);
    case TapeReader::Kind::kEnd:
      return tell(reader->end(), reader->cast(), share);
    case TapeReader::Kind::kNote:
      return tell(reader->note(), reader->cast(), share);
  }
}

// The numbers that are taken, and the outputs' states, each by its kind. Another relay's outputs
// are introduced to processes and functions anew, by other numbers.
std::string EventRelay::save() const {
  std::string state =
      absl::StrCat(first_process_ + kShares * processes_.size(), "\n",
                   first_function_ + functions_.size(), "\n", notes_, "\n", outputs_.size(), "\n");
  for (const auto& output : outputs_) {
    std::string saved = absl::StrCat(std::string(output->kind()), "\n", output->save());
    absl::StrAppend(&state, saved.size(), "\n", saved);
  }
  return state;
}

bool EventRelay::restore(std::string_view state) {
  constexpr uint64_t kMostNumbers = 1 << 22, kMostOutputs = 64;
  uint64_t processes, functions, count;
  bool good = take_number(&state, &processes) && take_number(&state, &functions) &&
              take_number(&state, &notes_) && take_number(&state, &count);
  if (!good || processes > kMostNumbers || functions > kMostNumbers || count > kMostOutputs ||
      notes_ > kFirstNote) {
    return false;
  }
  first_process_ = static_cast<uint32_t>(processes);
  first_function_ = static_cast<uint32_t>(functions);
  std::vector<std::string_view> states;
  for (; count > 0; count--) {
    uint64_t size;
    if (!take_number(&state, &size) || size > state.size()) return false;
    states.push_back(state.substr(0, size));
    state.remove_prefix(size);
  }
  return state.empty() && std::all_of(outputs_.begin(), outputs_.end(), [&](const auto& output) {
           std::string start = absl::StrCat(std::string(output->kind()), "\n");
           auto found = std::find_if(states.begin(), states.end(),
                                     [&](auto saved) { return saved.starts_with(start); });
           return found != states.end() && output->restore(found->substr(start.size()), {});
         });
}

}  // namespace telinject::drain
