// Threads: what a new one inherits, and how large its stack is.
//
// The new thread starts in a trampoline that takes what was left for it and jumps to the program's
// function, so nothing of us stays on its stack. Not async-signal-safe, like what is wrapped; no
// heap, no lock: where no slot is free the thread simply starts without a parent.
#include <atomic>

#include "arch/x86_64/registers.h"
#include "hooks/calls/context.h"
#include "hooks/calls/messages.h"
#include "hooks/calls/unwind.h"
#include "preload/real/export.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"
#include "shim/channel/message.h"
#include "shim/channel/text.h"

namespace telinject::program {

namespace {

// Only in use from the creator's call until the new thread's first instruction.
struct Slot {
  std::atomic<uint32_t> used;
  void* function;
  void* argument;
  SpawnContext spawn_context;
};
constexpr uint32_t kSlots = 256;
constinit Slot g_slots[kSlots]{};
std::atomic<uint32_t> g_slot_hint;

Slot* take_slot() {
  uint32_t hint = g_slot_hint.fetch_add(1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < kSlots; i++) {
    Slot* slot = &g_slots[(hint + i) % kSlots];
    uint32_t free = 0;
    if (slot->used.load(std::memory_order_relaxed) == 0 &&
        slot->used.compare_exchange_strong(free, 1, std::memory_order_acquire)) {
      return slot;
    }
  }
  return nullptr;
}

template <typename Result>
Result run_thread(void* data) {
  auto* slot = static_cast<Slot*>(data);
  auto function = reinterpret_cast<Result (*)(void*)>(slot->function);
  void* argument = slot->argument;
  t_spawn_context = slot->spawn_context;
  slot->used.store(0, std::memory_order_release);
  return function(argument);  // a tail call
}

uint64_t stack_bytes(const void* attributes) {
  if (attributes == nullptr) return g_client.thread_stack_bytes;
  size_t bytes = 0;
  auto get = real<int (*)(const void*, size_t*)>(kReal_pthread_attr_getstacksize);
  return get != nullptr && get(attributes, &bytes) == 0 ? bytes : 0;
}

SpawnContext prepare_spawn_context(uint64_t stack_size, uintptr_t sp) {
  SpawnContext spawn_context = {};
  spawn_context.stack_bytes = stack_size;
  if (g_process.threads == kContinueTrace && current_context(sp, &spawn_context.context) &&
      spawn_context.context.sampled != 0) {
    spawn_context.spawned_by = mark_record(ControlKind::kSpawn, sp);
  }
  return spawn_context;
}

template <typename Result, typename Create>
int create(void* function, void* argument, uint64_t stack_size, uintptr_t sp, Create&& call) {
  Slot* slot = tracing() && g_alive.mask != 0 ? take_slot() : nullptr;
  if (slot == nullptr) return call(function, argument);
  slot->function = function;
  slot->argument = argument;
  slot->spawn_context = prepare_spawn_context(stack_size, sp);
  int result = call(reinterpret_cast<void*>(&run_thread<Result>), slot);
  if (result != 0) slot->used.store(0, std::memory_order_release);
  return result;
}

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int, pthread_create, void* thread, const void* attributes, void* function,
                  void* argument) {
  auto real_create = real<int (*)(void*, const void*, void*, void*)>(kReal_pthread_create);
  constexpr int kTryAgain = 11;  // EAGAIN
  if (real_create == nullptr) return kTryAgain;
  return create<void*>(function, argument, stack_bytes(attributes), TELINJECT_CALLER_SP(),
                       [&](void* f, void* a) { return real_create(thread, attributes, f, a); });
}

TELINJECT_WRAPPER(int, thrd_create, void* thread, void* function, void* argument) {
  auto real_create = real<int (*)(void*, void*, void*)>(kReal_thrd_create);
  constexpr int kError = 2;  // thrd_error
  if (real_create == nullptr) return kError;
  return create<int>(function, argument, g_client.thread_stack_bytes, TELINJECT_CALLER_SP(),
                     [&](void* f, void* a) { return real_create(thread, f, a); });
}

// What is open then ends with the thread, not with the process, should that end at about the same
// time. (A cancelled thread says nothing.)
TELINJECT_WRAPPER(void, pthread_exit, void* value) {
  if (tracing()) note_event(ControlKind::kThreadExit, 0, TELINJECT_CALLER_SP());
  real<void (*)(void*)>(kReal_pthread_exit)(value);
}

TELINJECT_WRAPPER(void, thrd_exit, int value) {
  if (tracing()) note_event(ControlKind::kThreadExit, 0, TELINJECT_CALLER_SP());
  real<void (*)(int)>(kReal_thrd_exit)(value);
}

// The name that the kernel has when a lane is claimed is usually the creator's.
TELINJECT_WRAPPER(int, pthread_setname_np, uintptr_t thread, const char* name) {
  if (t_hook.lane != nullptr && g_alive.mask != 0 && thread == arch::thread_pointer()) {
    write_message(t_hook.lane, MessageType::kThreadName, name, text_length(name));
  }
  return real<int (*)(uintptr_t, const char*)>(kReal_pthread_setname_np)(thread, name);
}
