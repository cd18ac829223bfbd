#include "preload/process/exec_environment.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "hooks/calls/context.h"
#include "preload/real/resolve.h"
#include "preload/start/startup.h"
#include "shim/channel/environment.h"
#include "shim/channel/syscall.h"
#include "shim/channel/target.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

namespace telinject::program {

namespace {

// The values that go with the current span.
struct SpanValues {
  char traceparent[kTraceparentLength + 1];
  char parent[kParentTextBytes];
  bool has_traceparent, has_parent;

  explicit SpanValues(uintptr_t sp) : has_traceparent(false), has_parent(false) {
    TraceContext context;
    if (!tracing() || !current_context(sp, &context)) return;
    format_traceparent(context, traceparent);
    has_traceparent = true;
    if (context.sampled == 0) return;
    RecordRef ref = mark_record(ControlKind::kExec, sp);
    if (ref.segment == 0) return;
    format_record_ref(ref, parent);
    has_parent = true;
  }
};

bool readable(const char* path) {
  return !sys::failed(sys::call(SYS_faccessat, AT_FDCWD, sys::arg(path), 4 /* R_OK */));
}

EnvironmentEdit make_edit(const SpanValues& values) {
  EnvironmentEdit edit = {};
  edit.library = library_path();
  edit.traceparent = values.has_traceparent ? values.traceparent : nullptr;
  edit.own_traceparent = g_client.traceparent;
  edit.parent = values.has_parent ? values.parent : nullptr;
  edit.session = g_client.started_drain && g_client.has_session ? g_client.session_text : nullptr;
  return edit;
}

void* map_pages(size_t bytes) {
  long pages = sys::call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return sys::failed(pages) ? nullptr : reinterpret_cast<void*>(pages);
}

}  // namespace

ExecEnvironment::ExecEnvironment(int dirfd, const char* path, char* const* envp, uintptr_t sp)
    : entries_(envp) {
  // A program that took us out of its children's environment does not want them traced.
  if (envp == nullptr || !preloads_library(envp)) return;
  SpanValues values(sp);
  EnvironmentEdit edit = make_edit(values);
  // Under a seccomp filter nothing may be looked at: the target is taken for an ordinary one.
  bool may_look = g_process.restricted.load(std::memory_order_relaxed) == 0;
  Target target = may_look ? examine_target(dirfd, path) : Target{};
  bool fits =
      accepts_preload(target) && edit.library[0] == '/' && (!may_look || readable(edit.library));
  edit.preload = fits ? PreloadEdit::kLeave : PreloadEdit::kRemove;
  edit.relax_asan = fits && target.needs_asan;
  size_t slots = edited_slots(envp);
  size_t text_bytes = edited_text_bytes(envp, edit);
  char* memory = inline_;
  if (slots * sizeof(char*) + text_bytes > sizeof inline_) {
    page_bytes_ = slots * sizeof(char*) + text_bytes;
    pages_ = may_look ? map_pages(page_bytes_) : nullptr;
    if (pages_ == nullptr) return;
    memory = static_cast<char*>(pages_);
  }
  auto** out = reinterpret_cast<char**>(memory);
  if (edit_environment(envp, edit, out, slots, memory + slots * sizeof(char*), text_bytes)) {
    entries_ = out;
  }
}

ExecEnvironment::~ExecEnvironment() {
  if (pages_ != nullptr) sys::call(SYS_munmap, sys::arg(pages_), static_cast<long>(page_bytes_));
}

char*** environ_address() {
  return static_cast<char***>(real_address(kReal_environ));
}

void update_own_environment(uintptr_t sp) {
  static char* const* published;  // the array that we put in place
  static char* traceparent_slot;  // TRACEPARENT's value in it
  char*** environ = environ_address();
  if (!tracing() || g_alive.mask == 0 || g_process.restricted.load() != 0 || environ == nullptr ||
      *environ == nullptr || !preloads_library(*environ)) {
    return;
  }
  SpanValues values(sp);
  if (*environ == published) {
    if (traceparent_slot == nullptr || !values.has_traceparent) return;
    for (size_t i = 0; i < kTraceparentLength; i++) traceparent_slot[i] = values.traceparent[i];
    return;
  }
  EnvironmentEdit edit = make_edit(values);
  // The place of a record would be stale at the next call; the text names the span well enough.
  edit.parent = nullptr;
  edit.preload = edit.library[0] == '/' ? PreloadEdit::kLeave : PreloadEdit::kRemove;
  if (edit.session == nullptr && edit.traceparent == nullptr) return;
  size_t slots = edited_slots(*environ);
  size_t text_bytes = edited_text_bytes(*environ, edit);
  void* pages = map_pages(slots * sizeof(char*) + text_bytes);
  if (pages == nullptr) return;
  auto** out = static_cast<char**>(pages);
  char* text = static_cast<char*>(pages) + slots * sizeof(char*);
  if (!edit_environment(*environ, edit, out, slots, text, text_bytes)) return;
  traceparent_slot = const_cast<char*>(env_find(out, kTraceparentVariable));
  published = out;
  *environ = out;
}

}  // namespace telinject::program
