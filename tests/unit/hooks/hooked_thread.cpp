#include "hooked_thread.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#include "hooks/calls/attach.h"
#include "hooks/calls/shared_stacks.h"
#include "hooks/calls/slow_path.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/space.h"

namespace telinject::test {
using namespace program;

namespace {

void* pointer(uintptr_t address) {
  return reinterpret_cast<void*>(address);
}

// Calls at one depth come from one place, whatever they call.
uintptr_t call_site(uintptr_t sp) {
  return 0x500000 + (kStackTop - sp) / 64;
}

std::string name_of(ControlKind kind) {
  switch (kind) {
    case ControlKind::kRoot:
      return "root";
    case ControlKind::kStack:
      return "stack";
    case ControlKind::kUnwind:
      return "unwind";
    case ControlKind::kClosed:
      return "closed";
    case ControlKind::kLost:
      return "lost";
    case ControlKind::kSpawn:
      return "spawn";
    case ControlKind::kWaited:
      return "waited";
    default:
      return "control " + std::to_string(static_cast<int>(kind));
  }
}

bool of_message(const uint64_t* record) {
  ControlKind kind = control_kind(record[1]);
  return kind == ControlKind::kMessage || kind == ControlKind::kMessageData;
}

}  // namespace

HookedThread::HookedThread(OnFull on_full) : segment(2, kMinEntryChunks + kExitChunks) {
  allow(kMinEntryChunks);
  header()->bell_chunks.store(1);
  new (&g_process) Process{};
  g_process.state.store(ProcessState::kReady);
  g_process.segment = header();
  g_process.key = {header()->key[0], header()->key[1]};
  g_process.lane_count = header()->lane_count;
  g_process.chunk_count = header()->chunk_count;
  g_process.lane_headers = segment.lane(0);
  g_process.chunk_table = segment.entry(0);
  g_process.chunk_base[0].store(reinterpret_cast<uintptr_t>(segment.chunk(0)));
  g_process.on_full = on_full;
  g_process.clock = ClockKind::kTsc;
  g_process.pid = getpid();
  g_process.id = 1;
  g_process.main_stack_lo = kStackTop - kStackBytes;
  g_process.main_stack_hi = kStackTop;
  g_alive.mask = ~uintptr_t{0};
  t_hook = {};
  t_spawn_context = {};
  add_first_lanes();
}

HookedThread::~HookedThread() {
  forget_all_shared_stacks();
  munmap(g_process.group_lanes[0].load(), round_to_page(group_lanes(0) * sizeof(Lane)));
  for (uint32_t group = 1; group < kMaxChunkGroups; group++) {
    uintptr_t base = g_process.chunk_base[group].load();
    uint32_t chunks = group_chunks(group);
    uint32_t rest = g_process.chunk_count - group_first_chunk(group);
    if (base != 0)
      munmap(pointer(base), uint64_t{std::min(chunks, rest)} * kChunkBytes + kPageBytes);
  }
  t_hook = {};
  g_alive.mask = 0;
  new (&g_process) Process{};
}

Lane* HookedThread::attach() {
  Lane* lane = attach_thread(frame(1));
  if (lane != nullptr) lane->granted = 0;  // as the first call's slow path leaves it
  return lane;
}

Lane* HookedThread::lane() {
  return t_hook.lane != nullptr ? t_hook.lane : attach();
}

void HookedThread::enter_at(char function, uintptr_t sp) {
  auto address = static_cast<uintptr_t>(function);
  telinject_slow_enter(pointer(address), pointer(call_site(sp)), sp, pointer(address + 1));
}

void HookedThread::leave_at(char function, uintptr_t sp) {
  auto address = static_cast<uintptr_t>(function);
  telinject_slow_exit(pointer(address), pointer(call_site(sp)), sp, pointer(address + 2));
}

uint64_t HookedThread::enter_unfinished() {
  return position_of(lane(), reinterpret_cast<uintptr_t>(reserve(kEntryBytes)));
}

void HookedThread::fill_chunk() {
  uintptr_t limit = lane()->base + kChunkBytes - kSpillBytes;
  while (t_hook.cursor + kEntryBytes <= limit) {
    put_entry(reserve(kEntryBytes), 1, pointer('x'), pointer(0x5000), frame(1), pointer('x' + 1));
  }
}

std::vector<uint32_t> HookedThread::chunks() const {
  const Lane* lane = t_hook.lane;
  std::vector<uint32_t> found = {lane->header->first_chunk.load() - 1};
  while (segment.entry(found.back())->number.load() < lane->header->open.load()) {
    found.push_back(segment.entry(found.back())->next.load());
  }
  return found;
}

std::vector<uint32_t> HookedThread::free_chunks() const {
  std::vector<uint32_t> found;
  auto next = static_cast<uint32_t>(header()->free_chunks.load());
  for (; next != 0; next = segment.entry(next - 1)->free.load()) found.push_back(next - 1);
  return found;
}

// Every unit that is a record's first, or not written.
std::vector<HookedThread::Place> HookedThread::places() const {
  std::vector<Place> found;
  const Lane* lane = t_hook.lane;
  for (uint32_t chunk : chunks()) {
    uint64_t number = segment.entry(chunk)->number.load();
    bool open = number == lane->number;
    uint64_t end = open ? t_hook.cursor - lane->base : segment.entry(chunk)->end.load();
    for (uint64_t at = 0; at < end;) {
      auto* words = reinterpret_cast<const uint64_t*>(segment.chunk(chunk) + at);
      if (lane_position(number, at) >= forgotten_) {
        found.push_back({words, lane_position(number, at)});
      }
      at += *words == 0 ? kUnitBytes : record_bytes(*words);
    }
  }
  return found;
}

std::vector<std::string> HookedThread::records() {
  std::vector<std::string> names;
  for (const Place& place : places()) {
    const uint64_t* words = place.words;
    if (*words == 0) {
      names.emplace_back("hole");
    } else if (*words == kVoid) {
      names.emplace_back("void");
    } else if (is_exit(*words)) {
      names.push_back(std::string(1, static_cast<char>(words[1])) + ".");
    } else if (!is_control(words[1])) {
      names.emplace_back(1, static_cast<char>(words[1]));
    } else if (!of_message(words)) {
      names.push_back(name_of(control_kind(words[1])));
    }
  }
  return names;
}

void HookedThread::forget() {
  const Lane* at = lane();
  forgotten_ = position_of(at, t_hook.cursor);
}

HookedThread::Control HookedThread::last(ControlKind kind) {
  Control found = {};
  for (const Place& place : places()) {
    const uint64_t* words = place.words;
    if (*words == 0 || is_exit(*words) || !is_control(words[1])) continue;
    if (control_kind(words[1]) != kind) continue;
    found = {control_a(words[1]), control_b(words[2]), words[3]};
  }
  return found;
}

uint64_t HookedThread::position(char function) {
  uint64_t found = 0;
  for (const Place& place : places()) {
    const uint64_t* words = place.words;
    bool entry = *words != 0 && !is_exit(*words) && !is_control(words[1]);
    if (entry && words[1] == static_cast<uint64_t>(function)) found = place.position;
  }
  return found;
}

}  // namespace telinject::test
