// What another drain needs to go on where this one stopped (EventOutput::save).
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "shim/events/otlp/otlp_output.h"

namespace telinject::otlp {

namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

constexpr field::Tag kProcess = 1, kKey = 2, kStory = 3, kTraceState = 4;
constexpr field::Tag kNumber = 1, kRate = 2, kResource = 3;
constexpr field::Tag kFirst = 1, kSecond = 2;
constexpr field::Tag kSpan = 1, kStart = 2, kException = 3, kLeftOut = 4;
constexpr field::Tag kTime = 1, kAttributes = 2;
constexpr uint32_t kMostNumbers = 1 << 22;  // of processes

}  // namespace

std::string OtlpOutput::save() const {
  std::string state;
  pbf_writer writer(state);
  for (uint32_t number = 0; number < processes_.size(); number++) {
    const std::string* resource = groups_.resource_of(number);
    if (resource == nullptr) continue;
    pbf_writer process(writer, kProcess);
    process.add_uint32(kNumber, number);
    process.add_uint64(kRate, processes_[number].sample_rate);
    process.add_bytes(kResource, *resource);
  }
  for (SegmentKey key : keys_) {
    pbf_writer saved(writer, kKey);
    saved.add_fixed64(kFirst, key.k0);
    saved.add_fixed64(kSecond, key.k1);
  }
  for (const auto& [span, story] : stories_) {
    pbf_writer saved(writer, kStory);
    saved.add_fixed64(kSpan, span);
    saved.add_bytes(kStart, story.start.save());
    if (story.exceptions.left_out != 0) saved.add_uint32(kLeftOut, story.exceptions.left_out);
    for (const ExceptionNote& note : story.exceptions.kept) {
      pbf_writer exception(saved, kException);
      exception.add_int64(kTime, note.timestamp_ns);
      exception.add_bytes(kAttributes, note.attributes.save());
    }
  }
  for (uint64_t trace : foreign_traces_) {
    pbf_writer saved(writer, kTraceState);
    saved.add_fixed64(kFirst, trace);
    saved.add_bytes(kSecond, foreign_states_.at(trace));
  }
  return state;
}

namespace {

bool restore_exception(pbf_reader reader, ExceptionNote* note) {
  while (reader.next()) {
    if (reader.tag() == kTime) {
      note->timestamp_ns = reader.get_int64();
    } else if (!note->attributes.restore(reader.get_string())) {
      return false;
    }
  }
  return true;
}

SegmentKey restore_key(pbf_reader reader) {
  SegmentKey key = {};
  while (reader.next()) (reader.tag() == kFirst ? key.k0 : key.k1) = reader.get_fixed64();
  return key;
}

}  // namespace

bool OtlpOutput::restore_process(std::string_view saved) {
  pbf_reader reader(saved.data(), saved.size());
  uint32_t number = 0;
  uint64_t rate = 0;
  std::string resource;
  while (reader.next()) {
    if (reader.tag() == kNumber) {
      number = reader.get_uint32();
    } else if (reader.tag() == kRate) {
      rate = reader.get_uint64();
    } else {
      resource = reader.get_bytes();
    }
  }
  constexpr uint64_t kMostRate = 1000000000;
  if (number >= kMostNumbers || rate > kMostRate) return false;
  auto shared = std::make_shared<const std::string>(std::move(resource));
  groups_.introduce(number, shared);
  log_groups_.introduce(number, shared);
  if (number >= processes_.size()) processes_.resize(number + 1);
  processes_[number] = {rate, sampling_trace_state(rate)};
  return true;
}

bool OtlpOutput::restore_story(std::string_view saved) {
  pbf_reader reader(saved.data(), saved.size());
  uint64_t span = 0;
  Story story;
  while (reader.next()) {
    if (reader.tag() == kSpan) {
      span = reader.get_fixed64();
    } else if (reader.tag() == kStart) {
      if (!story.start.restore(reader.get_string())) return false;
    } else if (reader.tag() == kLeftOut) {
      story.exceptions.left_out = reader.get_uint32();
    } else if (!restore_exception(reader.get_message(), &story.exceptions.kept.emplace_back())) {
      return false;
    }
  }
  if (story.exceptions.kept.size() > kMostExceptions) return false;
  size_t bytes = sizeof story + story.start.bytes();
  for (const ExceptionNote& note : story.exceptions.kept) {
    bytes += sizeof note + note.attributes.bytes();
  }
  end_story(span);
  grow(&(stories_[span] = std::move(story)), bytes);
  return true;
}

void OtlpOutput::restore_trace_state(std::string_view saved) {
  pbf_reader reader(saved.data(), saved.size());
  uint64_t trace = 0;
  std::string state;
  while (reader.next()) {
    if (reader.tag() == kFirst) {
      trace = reader.get_fixed64();
    } else {
      state = reader.get_bytes();
    }
  }
  keep_trace_state(trace, state);
}

bool OtlpOutput::restore(std::string_view state, const std::vector<const ProcessInfo*>& processes) {
  try {
    pbf_reader reader(state.data(), state.size());
    while (reader.next()) {
      bool good = true;
      auto tag = reader.tag();
      std::string part = reader.get_bytes();
      if (tag == kProcess) {
        good = restore_process(part);
      } else if (tag == kKey) {
        remember(restore_key(pbf_reader(part.data(), part.size())));
      } else if (tag == kTraceState) {
        restore_trace_state(part);
      } else if (has_room()) {
        good = restore_story(part);
      }
      if (!good) return false;
    }
  } catch (const protozero::exception&) {
    return false;
  }
  for (const ProcessInfo* process : processes) {
    if (groups_.resource_of(process->number) == nullptr) return false;
  }
  return true;
}

}  // namespace telinject::otlp
