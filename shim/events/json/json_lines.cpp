#include "shim/events/json/json_lines.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "shim/events/json/encoder_pool.h"
#include "shim/events/json/json_text.h"

namespace telinject {

namespace {

using nlohmann::json;

size_t size_of(const FunctionJson& text) {
  if (text.name.empty()) return 0;
  return sizeof text + text.entry_head.capacity() + text.exit_head.capacity() +
         text.name.capacity() + text.entry.capacity() + text.exit_before.capacity() +
         text.exit_after.capacity();
}

// Prepared text of a state, which is not trusted: it becomes part of lines as it is.
bool is_process_json(const ProcessJson& text) {
  std::string_view tail = text.tail;
  if (!tail.ends_with("}\n")) return false;
  tail.remove_suffix(1);
  std::string line = "{\"event\":0" + text.sampling + std::string(tail);
  return line.find('\n') == line.npos && json::accept(line);
}

}  // namespace

JsonLines::JsonLines(std::unique_ptr<Sink> sink, const Options& options)
    : sink_(std::move(sink)),
      lean_(options.lean),
      lines_(kLineBytes),
      encoder_(&lines_, options.lean) {
  if (options.encoders.most > 1) {
    pool_ = std::make_unique<EncoderPool>(
        options.encoders, options.lean,
        [this](std::string_view lines) { lost_ += sink_->write(lines); });
  }
}

void JsonLines::introduce(const ProcessInfo& process, const Metadata& metadata,
                          int64_t timestamp_ns, Places* places) {
  ProcessJson text = make_process_json(metadata, process);
  if (lean_) {
    EventPlace place = places->note(timestamp_ns);
    encoder_.telemetry_process(place, text);
    text = make_lean_process_json(place.span_id);
  }
  if (process.number >= processes_.size()) processes_.resize(process.number + 1);
  processes_[process.number] = std::make_shared<ProcessJson>(std::move(text));
}

void JsonLines::introduce(const FunctionInfo& function, const ProcessInfo& process,
                          int64_t timestamp_ns, Places* places) {
  if (!lean_) return;
  EventPlace place = places->note(timestamp_ns);
  encoder_.telemetry_function(place, function, *text_of(process));
  slot_at(function.number).reference = place.span_id;
}

void JsonLines::forget(const ProcessInfo& process) {
  processes_[process.number] = nullptr;
}

void JsonLines::forget(const FunctionInfo& function) {
  if (function.number / kBlockFunctions >= functions_.size()) return;
  settle_pool();
  FunctionSlot& slot = slot_at(function.number);
  text_bytes_ -= size_of(slot.text);
  slot = FunctionSlot();
}

// Encoders refer to the texts.
void JsonLines::settle_pool() {
  if (pool_ == nullptr) return;
  pool_lines();
  pool_->flush();
}

void JsonLines::forget_texts() {
  settle_pool();
  for (auto& block : functions_) {
    for (uint32_t i = 0; i < kBlockFunctions; i++) block[i].text = FunctionJson();
  }
  text_bytes_ = 0;
}

void JsonLines::make_room(uint32_t number) {
  while (number / kBlockFunctions >= functions_.size()) {
    functions_.push_back(std::make_unique<FunctionSlot[]>(kBlockFunctions));
  }
}

void JsonLines::make_text(FunctionSlot* slot, const FunctionInfo& function) {
  if (text_bytes_ > kMostTextBytes) forget_texts();
  slot->text = make_function_json(function, lean_);
  text_bytes_ += size_of(slot->text);
}

void JsonLines::make_text(ThreadSlot* slot, const ThreadInfo& thread) {
  slot->number = thread.number;
  JsonText text;
  text.member("thread_id", static_cast<uint64_t>(thread.tid));
  if (!thread.name.empty()) text.member("thread_name", thread.name);
  text.end_members();
  slot->text = text.view();
}

void JsonLines::start(const SpanStart& event) {
  std::string_view thread = text_of(*event.thread);
  const std::shared_ptr<const ProcessJson>& process = text_of(*event.process);
  if (event.operation != nullptr) {
    encoder_.start(event, thread, *process);
    return pass_on_if_large();
  }
  const FunctionSlot& function = slot_of(*event.function);
  if (pool_ != nullptr) {
    pool_lines();
    return pool_->function_entry(event.place, function.text, function.reference, thread, process);
  }
  encoder_.function_entry(event.place, function.text, function.reference, thread, *process);
  pass_on_if_large();
}

void JsonLines::end(const SpanEnd& event) {
  std::string_view thread = text_of(*event.thread);
  const std::shared_ptr<const ProcessJson>& process = text_of(*event.process);
  if (event.operation != nullptr) {
    encoder_.end(event, thread, *process);
    return pass_on_if_large();
  }
  const FunctionSlot& function = slot_of(*event.function);
  if (pool_ != nullptr && event.note == nullptr && event.error == nullptr) {
    pool_lines();
    return pool_->function_exit(event.place, event.duration_ns, function.text, function.reference,
                                thread, process);
  }
  encoder_.function_exit(event.place, event.duration_ns, function.text, function.reference, thread,
                         event.note, event.error, *process);
  pass_on_if_large();
}

void JsonLines::note(const PointEvent& event) {
  std::string_view thread = event.thread != nullptr ? text_of(*event.thread) : std::string_view();
  encoder_.note(event, thread, *text_of(*event.process));
  pass_on_if_large();
}

void JsonLines::pass_on() {
  if (pool_ != nullptr) {
    pool_lines();
    pool_->flush();
  } else if (lines_.size() != 0) {
    lost_ += sink_->write(lines_.text());
    lines_.clear();
  }
}

// What was encoded here comes before what the pool is given from now on.
void JsonLines::pool_lines() {
  if (lines_.size() == 0) return;
  pool_->lines(lines_.text());
  lines_.clear();
}

void JsonLines::pass_on_lines() {
  if (pool_ == nullptr) {
    pass_on();
  } else {
    pool_lines();
  }
}

void JsonLines::flush() {
  pass_on();
  lost_ += sink_->flush();
}

uint64_t JsonLines::take_lost() {
  return std::exchange(lost_, 0);
}

// Texts of processes, which have the metadata of their time, and the references of functions, each
// at its number. The functions' texts are made again.
std::string JsonLines::save() const {
  json processes = json::array(), functions = json::array();
  for (const auto& process : processes_) {
    processes.push_back(process == nullptr ? json() : json{process->sampling, process->tail});
  }
  for (const auto& block : functions_) {
    for (uint32_t i = 0; i < kBlockFunctions; i++) functions.push_back(block[i].reference);
  }
  return json{{"processes", processes}, {"functions", functions}}.dump();
}

bool JsonLines::restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) {
  json all = json::parse(state, nullptr, /*allow_exceptions=*/false);
  if (!all.is_object() || !all["processes"].is_array() || !all["functions"].is_array()) {
    return false;
  }
  for (const json& texts : all["processes"]) {
    if (texts.is_null()) {
      processes_.push_back(nullptr);
      continue;
    }
    bool known =
        texts.is_array() && texts.size() == 2 && texts[0].is_string() && texts[1].is_string();
    if (!known) return false;
    ProcessJson text = {texts[0].get<std::string>(), texts[1].get<std::string>()};
    if (!is_process_json(text)) return false;
    processes_.push_back(std::make_shared<ProcessJson>(std::move(text)));
  }
  uint32_t number = 0;
  for (const json& reference : all["functions"]) {
    if (!reference.is_number_unsigned()) return false;
    slot_at(number++).reference = reference.get<uint64_t>();
  }
  return std::all_of(processes.begin(), processes.end(), [&](const ProcessInfo* process) {
    return process->number < processes_.size() && processes_[process->number] != nullptr;
  });
}

}  // namespace telinject
