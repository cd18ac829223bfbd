#include "shim/channel/environment.h"

#include "shim/channel/session.h"
#include "shim/channel/text.h"

namespace telinject {

namespace {

constexpr const char* kPreload = "LD_PRELOAD";
constexpr const char* kAsanOptions = "ASAN_OPTIONS";
constexpr const char* kAsanRelaxed = "verify_asan_link_order=0";
constexpr size_t kAddedVariables = 5;  // LD_PRELOAD, ASAN_OPTIONS and the three values

bool is_separator(char c) {
  return c == ':' || c == ' ';
}

size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

bool names_library(const char* entry, size_t length) {
  size_t name = text_length(kLibraryFile);
  if (length < name) return false;
  const char* tail = entry + (length - name);
  for (size_t i = 0; i < name; i++) {
    if (tail[i] != kLibraryFile[i]) return false;
  }
  return length == name || tail[-1] == '/';
}

// Calls visit(entry, length) for each entry of an LD_PRELOAD value.
template <typename Visit>
void each_preload(const char* value, Visit&& visit) {
  while (*value != 0) {
    while (is_separator(*value)) value++;
    size_t length = 0;
    while (value[length] != 0 && !is_separator(value[length])) length++;
    if (length > 0) visit(value, length);
    value += length;
  }
}

bool value_names_library(const char* value) {
  bool found = false;
  each_preload(value, [&](const char* entry, size_t length) {
    found = found || names_library(entry, length);
  });
  return found;
}

class Writer {
 public:
  Writer(char** out, size_t slots, char* text, size_t bytes)
      : out_(out), slots_(slots), text_(text), bytes_(bytes) {}

  void keep(char* entry) {
    if (used_ + 1 < slots_) {
      out_[used_++] = entry;
    } else {
      fits_ = false;
    }
  }
  void set(const char* name, const char* value) {
    begin(name);
    put(value);
    end();
  }
  void begin(const char* name) {
    start_ = position_;
    put(name);
    put("=");
  }
  void put(const char* s) { put(s, text_length(s)); }
  void put(const char* s, size_t n) {
    if (n >= bytes_ - position_) {
      fits_ = false;
      return;
    }
    for (size_t i = 0; i < n; i++) text_[position_++] = s[i];
  }
  void end() {
    if (position_ >= bytes_) {
      fits_ = false;
      return;
    }
    text_[position_++] = 0;
    keep(text_ + start_);
  }
  void abandon() { position_ = start_; }
  bool finish() {
    if (used_ < slots_) out_[used_] = nullptr;
    return fits_ && used_ < slots_;
  }

 private:
  char** out_;
  size_t slots_;
  char* text_;
  size_t bytes_;
  size_t used_ = 0, position_ = 0, start_ = 0;
  bool fits_ = true;
};

// Writes LD_PRELOAD with our entry left (made absolute), added or taken out; nothing if only ours
// was there.
void write_preload(const char* value, const EnvironmentEdit& edit, Writer* writer) {
  bool any = false, ours = false;
  writer->begin(kPreload);
  auto put = [&](const char* entry, size_t length) {
    if (any) writer->put(":");
    writer->put(entry, length);
    any = true;
  };
  each_preload(value, [&](const char* entry, size_t length) {
    if (!names_library(entry, length)) {
      put(entry, length);
    } else if (edit.preload != PreloadEdit::kRemove && !ours) {
      ours = true;
      put(edit.library, text_length(edit.library));
    }
  });
  if (edit.preload == PreloadEdit::kAdd && !ours) put(edit.library, text_length(edit.library));
  if (any) {
    writer->end();
  } else {
    writer->abandon();
  }
}

void write_asan(const char* value, Writer* writer) {
  writer->begin(kAsanOptions);
  writer->put(value);
  if (*value != 0) writer->put(":");
  writer->put(kAsanRelaxed);
  writer->end();
}

}  // namespace

bool preloads_library(char* const* envp) {
  const char* value = env_find(envp, kPreload);
  return value != nullptr && value_names_library(value);
}

size_t edited_slots(char* const* envp) {
  size_t n = 0;
  while (envp != nullptr && envp[n] != nullptr) n++;
  return n + kAddedVariables + 1;
}

size_t edited_text_bytes(char* const* envp, const EnvironmentEdit& edit) {
  auto length = [](const char* s) { return s != nullptr ? text_length(s) : 0; };
  // A name may stand there more than once, and each time with a value of its own.
  size_t largest_preload = 0, largest_asan = 0;
  for (char* const* e = envp; e != nullptr && *e != nullptr; e++) {
    largest_preload = larger(largest_preload, length(env_value(*e, kPreload)));
    largest_asan = larger(largest_asan, length(env_value(*e, kAsanOptions)));
  }
  // A relative entry may grow by the whole path, once.
  return largest_preload + length(edit.library) + largest_asan + text_length(kAsanRelaxed) +
         length(edit.session) + length(edit.parent) + length(edit.traceparent) +
         kAddedVariables * 32;
}

bool edit_environment(char* const* envp, const EnvironmentEdit& edit, char** out, size_t slots,
                      char* text, size_t text_bytes) {
  Writer writer(out, slots, text, text_bytes);
  bool preload = false, asan = false, session = false, parent = false, traceparent = false;
  auto replace = [&](const char* name, const char* value, bool* done) {
    if (!*done) writer.set(name, value);
    *done = true;
  };
  for (char* const* e = envp; e != nullptr && *e != nullptr; e++) {
    if (const char* value = env_value(*e, kPreload)) {
      if (edit.preload != PreloadEdit::kAdd && !value_names_library(value)) {
        writer.keep(*e);  // the program's own: empty, or with separators of its taste
      } else if (!preload) {
        write_preload(value, edit, &writer);
        preload = true;
      }
    } else if (const char* options = env_value(*e, kAsanOptions); options && edit.relax_asan) {
      if (!asan) write_asan(options, &writer);
      asan = true;
    } else if (env_value(*e, kSessionVariable) && edit.session != nullptr) {
      replace(kSessionVariable, edit.session, &session);
    } else if (env_value(*e, kParentVariable) && edit.parent != nullptr) {
      replace(kParentVariable, edit.parent, &parent);
    } else if (const char* current = env_value(*e, kTraceparentVariable);
               current && edit.traceparent != nullptr) {
      bool own = edit.own_traceparent != nullptr && text_equal(current, edit.own_traceparent);
      if (own) {
        replace(kTraceparentVariable, edit.traceparent, &traceparent);
      } else {
        traceparent = true;
        writer.keep(*e);
      }
    } else {
      writer.keep(*e);
    }
  }
  if (!preload && edit.preload == PreloadEdit::kAdd) write_preload("", edit, &writer);
  if (!asan && edit.relax_asan) write_asan("", &writer);
  if (!session && edit.session != nullptr) writer.set(kSessionVariable, edit.session);
  if (!parent && edit.parent != nullptr) writer.set(kParentVariable, edit.parent);
  if (!traceparent && edit.traceparent != nullptr) {
    writer.set(kTraceparentVariable, edit.traceparent);
  }
  return writer.finish();
}

}  // namespace telinject
