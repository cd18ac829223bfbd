#include "hooks/errors/error_records.h"

#include "hooks/calls/attach.h"
#include "hooks/calls/messages.h"
#include "hooks/calls/pending.h"
#include "hooks/calls/slow_path.h"
#include "hooks/calls/stacks.h"
#include "hooks/errors/exception_object.h"
#include "hooks/lane/record_writer.h"
#include "hooks/lane/services.h"
#include "hooks/lane/space.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

// A stack takes a few microseconds: each throw has one as long as there are at most kFreely in a
// window of some 0.3 s (1 s where ticks are nanoseconds); beyond that, one in kOneIn.
constexpr uint64_t kWindowTicks = uint64_t{1} << 30;
constexpr uint32_t kFreely = 100, kOneIn = 256;

bool may_take_stack(Throttle* throttle, uint64_t ticks) {
  if (ticks - throttle->window > kWindowTicks) {
    throttle->window = ticks;
    throttle->passed = 0;
  }
  uint32_t number = throttle->passed++;
  if (number < kFreely || number % kOneIn == 0) return true;
  throttle->skipped++;
  return false;
}

// Puts a message together in the lane's scratch memory.
class Scratch {
 public:
  explicit Scratch(Lane* lane) : begin_(lane->scratch), at_(lane->scratch) {}
  template <typename T>
  T* reserve_head() {
    auto* head = reinterpret_cast<T*>(at_);
    *head = {};
    at_ += sizeof(T);
    return head;
  }
  void* at() { return at_; }
  void skip(size_t bytes) { at_ += bytes; }
  size_t size() const { return static_cast<size_t>(at_ - begin_); }

 private:
  unsigned char* begin_;
  unsigned char* at_;
};

// Memory that is there: from `sp` to the end of the stack it stands on, if that is known.
StackBounds stack_bounds(Lane* lane, uintptr_t sp) {
  return is_known_stack(lane, sp) ? StackBounds{sp, stack_at(lane, sp).hi} : StackBounds{0, 0};
}

size_t take_stack(Lane* lane, uint64_t* addresses) {
  arch::Registers registers = arch::current_registers();
  StackBounds bounds = stack_bounds(lane, registers.value[arch::kRsp]);
  size_t count = walk_stack(registers, /*exact=*/true, bounds, addresses, kMaxStackFrames);
  // What is in this library comes first, and is not the program's.
  auto own = [](uint64_t address) {
    return is_own_code(static_cast<uintptr_t>(address & ~kExactAddress));
  };
  size_t first = 0;
  while (first < count && own(addresses[first])) first++;
  for (size_t i = first; i < count; i++) addresses[i - first] = addresses[i];
  return count - first;
}

}  // namespace

size_t copy_string(uintptr_t address, char* out, size_t capacity) {
  size_t size = 0;
  while (size < capacity) {
    // Up to the end of a page at most: the next one may not be there.
    size_t bytes = 64 - (address + size) % 64;
    if (bytes > capacity - size) bytes = capacity - size;
    if (!peek_memory(address + size, out + size, bytes)) return size;
    for (size_t i = 0; i < bytes; i++, size++) {
      if (out[size] == 0) return size;
    }
  }
  return size;
}

void note_throw(const void* exception, bool again, uintptr_t sp) {
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0 || lane->mute) return;
  SlowPath slow(lane, sp);
  if (!slow.entered()) return count_loss(LossReason::kException);
  find_stack(lane, sp);
  if (!lane->current->root.open) return publish_hook_state(lane);
  Scratch scratch(lane);
  auto* head = scratch.reserve_head<ThrowMessage>();
  head->exception = reinterpret_cast<uintptr_t>(exception);
  head->sp = sp;
  uint64_t ticks = read_ticks();
  if (g_process.stacktraces) {
    if (may_take_stack(&lane->throttle, ticks)) {
      size_t frames = take_stack(lane, static_cast<uint64_t*>(scratch.at()));
      head->frames = static_cast<uint16_t>(frames);
      head->stacks_skipped = lane->throttle.skipped;
      lane->throttle.skipped = 0;
      scratch.skip(frames * sizeof(uint64_t));
    } else {
      head->flags |= ThrowMessage::kStackSkipped;
    }
  }
  // The text is read to where it will stand if the type is as long as can be.
  auto* type = static_cast<char*>(scratch.at());
  ExceptionObject thrown = inspect_exception(exception, type + kMaxTypeBytes, kMaxTextBytes);
  if (again) head->flags |= ThrowMessage::kRethrown;
  if (thrown.foreign) head->flags |= ThrowMessage::kForeign;
  if (thrown.has_text) head->flags |= ThrowMessage::kHasText;
  if (thrown.type != nullptr) {
    size_t bytes = text_length(thrown.type);
    if (bytes > kMaxTypeBytes) bytes = kMaxTypeBytes;
    for (size_t i = 0; i < bytes; i++) type[i] = thrown.type[i];
    head->type_bytes = static_cast<uint16_t>(bytes);
    scratch.skip(bytes);
  }
  head->text_bytes = static_cast<uint16_t>(thrown.text_bytes);
  uintptr_t bytes = message_records(scratch.size() + thrown.text_bytes) * kControlBytes;
  bool fits = make_room(lane, pending_bytes(lane) + bytes, /*for_entry=*/false);
  if (fits) write_pending(lane, ticks);
  if (!fits || !write_message(lane, MessageType::kThrow, lane->scratch, scratch.size(),
                              type + kMaxTypeBytes, thrown.text_bytes)) {
    count_loss(LossReason::kException);
  }
  publish_hook_state(lane);
}

void note_crash(const CrashMessage& crash, const arch::Registers& registers, LastWords words,
                uintptr_t sp) {
  if (g_process.state.load(std::memory_order_acquire) != ProcessState::kReady) return;
  Lane* lane = t_hook.lane;
  if (lane == nullptr || g_alive.mask == 0) lane = attach_thread(sp);
  if (lane == nullptr) return;
  SlowPath slow(lane, sp);
  if (!slow.entered()) return;
  Scratch scratch(lane);
  auto* head = scratch.reserve_head<CrashMessage>();
  *head = crash;
  constexpr StackBounds kNone = {0, 0};
  size_t frames = walk_stack(registers, /*exact=*/true, kNone, static_cast<uint64_t*>(scratch.at()),
                             kMaxStackFrames);
  head->frames = static_cast<uint16_t>(frames);
  scratch.skip(frames * sizeof(uint64_t));
  if (words != nullptr) {
    size_t bytes = words(static_cast<char*>(scratch.at()), kMaxTextBytes);
    head->text_bytes = static_cast<uint16_t>(bytes);
    scratch.skip(bytes);
  }
  write_message(lane, MessageType::kCrash, lane->scratch, scratch.size());
  publish_hook_state(lane);
}

}  // namespace telinject::program
