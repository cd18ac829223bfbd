#include "shim/symbols/demangle.h"

#include <libiberty/demangle.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <new>

namespace telinject {

namespace {

constexpr size_t kMaxSymbol = 64 * 1024;  // longer symbols are not demangled
constexpr size_t kMaxName = 64 * 1024;    // nor those whose names get longer
// libiberty recurses, and by itself refuses symbols of more than 1,024 characters, which templates
// reach easily. Longer ones go to a thread with a stack that is large enough for any nesting.
constexpr size_t kMaxOnOwnStack = DEMANGLE_RECURSION_LIMIT / 2;
constexpr size_t kLargeStack = size_t{128} << 20;  // address space; what is not used costs nothing

struct TooLong {};

void append(const char* text, size_t bytes, void* out) {
  std::string* name = static_cast<std::string*>(out);
  // The only way to stop libiberty: a symbol of a few hundred characters can stand for gigabytes.
  if (name->size() + bytes > kMaxName) throw TooLong();
  name->append(text, bytes);
}

bool starts(std::string_view text, std::string_view prefix) {
  return text.starts_with(prefix);
}

bool is_rust(std::string_view symbol) {
  // _R...: Rust's own mangling. Its older one looks like C++ with a hash as last component.
  return starts(symbol, "_R") || (starts(symbol, "_ZN") && symbol.find("17h") != symbol.npos);
}

bool is_base62(unsigned char c) {
  return std::isalnum(c) != 0;
}

// A Rust type may name lifetimes of its own: F or D, G, their number in base 62, "_". libiberty
// counts up to that number, also where it prints nothing, so that append() could not stop it. Three
// digits already are more than any program has. An identifier may look like that, too
// ("PDFGenerator"), so the G's in question are made something that is allowed in an identifier, and
// not as a type: what then still can be demangled has no such number.
bool counts_without_end(const std::string& symbol, int options) {
  std::string probe = symbol;
  bool looks_like = false;
  for (size_t at = symbol.find('G', 1); at != symbol.npos; at = symbol.find('G', at + 1)) {
    size_t end = at + 1;
    while (end < symbol.size() && is_base62(symbol[end])) end++;
    if (end - at < 4 || end == symbol.size() || symbol[end] != '_') continue;
    if (symbol[at - 1] != 'F' && symbol[at - 1] != 'D') continue;
    probe[at] = 'g';
    looks_like = true;
  }
  std::string name;
  return looks_like && rust_demangle_callback(probe.c_str(), options, append, &name) == 0;
}

std::string demangle_here(const std::string& symbol, int options) {
  std::string name;
  try {
    if (is_rust(symbol) && !counts_without_end(symbol, options) &&
        rust_demangle_callback(symbol.c_str(), options, append, &name) != 0) {
      return name;
    }
    name.clear();
    if (cplus_demangle_v3_callback(symbol.c_str(), options, append, &name) == 0) name.clear();
  } catch (const TooLong&) {
    name.clear();
  } catch (const std::bad_alloc&) {
    name.clear();
  }
  return name;
}

struct LargeStackCall {
  const std::string& symbol;
  int options;
  std::string name;
};

void* run_large_stack_call(void* argument) {
  LargeStackCall* call = static_cast<LargeStackCall*>(argument);
  call->name = demangle_here(call->symbol, call->options);
  return nullptr;
}

std::string demangle_on_large_stack(const std::string& symbol, int options) {
  LargeStackCall call = {symbol, options | DMGL_NO_RECURSE_LIMIT, {}};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  bool ran = pthread_attr_setstacksize(&attributes, kLargeStack) == 0 &&
             pthread_create(&thread, &attributes, run_large_stack_call, &call) == 0;
  pthread_attr_destroy(&attributes);
  if (ran) pthread_join(thread, nullptr);
  return call.name;
}

// Thunks and the like are printed with the arguments of the function they are for, whatever the
// options: "virtual thunk to A::f(int) const" -> "virtual thunk to A::f".
void drop_arguments(std::string* name) {
  size_t close = name->rfind(')');
  if (close == name->npos) return;
  size_t depth = 0;
  for (size_t i = close + 1; i-- > 0;) {
    if ((*name)[i] == ')') depth++;
    if ((*name)[i] == '(' && --depth == 0) {
      if (i > 0 && !std::string_view(*name).substr(i).starts_with("(anonymous")) name->erase(i);
      return;
    }
  }
}

// Words that compilers put after a dot to name a copy or a part of a function.
constexpr std::array<std::string_view, 22> kCloneWords = {
    "cold",   "part",    "constprop", "isra",     "lto_priv",  "localalias", "clone", "llvm",
    "__uniq", "warm",    "hot",       "unlikely", "simdclone", "resolver",   "ifunc", "default",
    "actor",  "destroy", "cleanup",   "resume",   "content",   "lto"};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_clone_word(std::string_view text) {
  return std::find(kCloneWords.begin(), kCloneWords.end(), text) != kCloneWords.end();
}

std::string_view last_part(std::string_view text) {
  size_t dot = text.rfind('.');
  return dot == text.npos || dot == 0 ? std::string_view() : text.substr(dot + 1);
}

}  // namespace

std::string_view without_clone_suffix(std::string_view symbol) {
  if (size_t at = symbol.find('@'); at != symbol.npos && at > 0) symbol = symbol.substr(0, at);
  if (is_mangled(symbol)) return symbol.substr(0, symbol.find('.'));
  for (;;) {
    std::string_view rest = symbol;
    std::string_view part = last_part(rest);
    if (is_number(part)) {
      rest.remove_suffix(part.size() + 1);
      part = last_part(rest);
    }
    if (part.empty() || !is_clone_word(part)) return symbol;
    rest.remove_suffix(part.size() + 1);
    symbol = rest;
  }
}

bool is_mangled(std::string_view symbol) {
  return starts(symbol, "_Z") || starts(symbol, "_R");
}

std::string demangle(std::string_view symbol) {
  if (!is_mangled(symbol)) return {};
  std::string plain(without_clone_suffix(symbol));
  if (plain.size() > kMaxSymbol) return {};
  std::string name = plain.size() > kMaxOnOwnStack ? demangle_on_large_stack(plain, DMGL_ANSI)
                                                   : demangle_here(plain, DMGL_ANSI);
  if (starts(plain, "_ZT") || starts(plain, "_ZG")) drop_arguments(&name);
  return name;
}

std::string function_name(std::string_view symbol) {
  std::string name = demangle(symbol);
  return name.empty() ? std::string(without_clone_suffix(symbol)) : name;
}

std::string unified_constructor(std::string_view symbol) {
  std::string name(without_clone_suffix(symbol));
  if (!starts(name, "_Z") || name.size() > kMaxOnOwnStack) return name;
  bool constructor = is_gnu_v3_mangled_ctor(name.c_str()) == gnu_v3_unified_ctor;
  if (!constructor && is_gnu_v3_mangled_dtor(name.c_str()) != gnu_v3_unified_dtor) return name;
  // "C4" may be part of another name too, so each is tried, and libiberty asked what it then is.
  std::string_view unified = constructor ? "C4" : "D4";
  for (size_t at = name.find(unified); at != name.npos; at = name.find(unified, at + 1)) {
    name[at + 1] = '2';
    if (is_gnu_v3_mangled_ctor(name.c_str()) == gnu_v3_base_object_ctor ||
        is_gnu_v3_mangled_dtor(name.c_str()) == gnu_v3_base_object_dtor) {
      break;
    }
    name[at + 1] = '4';
  }
  return name;
}

}  // namespace telinject
