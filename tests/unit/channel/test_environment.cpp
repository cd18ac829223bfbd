// Editing an environment for a program that is about to be executed.
#include <catch2/catch.hpp>

#include <string>
#include <vector>

#include "environ.h"
#include "shim/channel/environment.h"

namespace telinject::test::environment_test {
namespace {

constexpr const char* kLibrary = "/opt/telinject/lib/libtelinject.so";
using Entries = std::vector<std::string>;

EnvironmentEdit edit_of(PreloadEdit preload) {
  EnvironmentEdit edit = {};
  edit.preload = preload;
  edit.library = kLibrary;
  return edit;
}

// The edited environment, in exactly the room that was asked for.
Entries edited(std::initializer_list<std::string> entries, const EnvironmentEdit& edit) {
  Environ environment(entries);
  std::vector<char*> slots(edited_slots(environment.get()));
  std::vector<char> text(edited_text_bytes(environment.get(), edit));
  REQUIRE(edit_environment(environment.get(), edit, slots.data(), slots.size(), text.data(),
                           text.size()));
  Entries result;
  for (char** e = slots.data(); *e != nullptr; e++) result.push_back(*e);
  return result;
}

Entries preload(const char* before, PreloadEdit what) {
  return edited({std::string("LD_PRELOAD=") + before}, edit_of(what));
}

}  // namespace

TEST_CASE("the library is added once, behind what is there") {
  EnvironmentEdit add = edit_of(PreloadEdit::kAdd);
  std::string library = kLibrary;
  CHECK(edited({"A=1"}, add) == Entries{"A=1", "LD_PRELOAD=" + library});
  CHECK(edited({"LD_PRELOAD=liba.so:libb.so", "A=1"}, add) ==
        Entries{"LD_PRELOAD=liba.so:libb.so:" + library, "A=1"});
  CHECK(edited({"LD_PRELOAD="}, add) == Entries{"LD_PRELOAD=" + library});
  CHECK(preload((library + ":libb.so").c_str(), PreloadEdit::kAdd) ==
        Entries{"LD_PRELOAD=" + library + ":libb.so"});
  CHECK(preload("liba.so libtelinject.so ./libtelinject.so", PreloadEdit::kAdd) ==
        Entries{"LD_PRELOAD=liba.so:" + library});
}

TEST_CASE("a relative path of ours is made absolute where nothing else is to be done") {
  std::string library = kLibrary;
  CHECK(preload("build/lib/libtelinject.so", PreloadEdit::kLeave) ==
        Entries{"LD_PRELOAD=" + library});
  CHECK(preload("libtelinject.so:x.so", PreloadEdit::kLeave) ==
        Entries{"LD_PRELOAD=" + library + ":x.so"});
}

TEST_CASE("the library is taken out, and the variable with it if nothing is left") {
  CHECK(preload("/x/libtelinject.so", PreloadEdit::kRemove) == Entries{});
  CHECK(preload("a.so:/x/libtelinject.so:b.so", PreloadEdit::kRemove) ==
        Entries{"LD_PRELOAD=a.so:b.so"});
  CHECK(edited({"A=1"}, edit_of(PreloadEdit::kRemove)) == Entries{"A=1"});
}

TEST_CASE("a preload that has nothing of ours is left exactly as the program wrote it") {
  for (PreloadEdit what : {PreloadEdit::kLeave, PreloadEdit::kRemove}) {
    for (const char* value : {"", "a.so", "a.so b.so", "a.so::b.so ", ":"}) {
      CAPTURE(value);
      CHECK(preload(value, what) == Entries{std::string("LD_PRELOAD=") + value});
    }
  }
}

TEST_CASE("of a variable that stands there twice, any may be the one that is edited") {
  const std::string longer(300, 'a');
  CHECK(edited({"LD_PRELOAD=a.so", "LD_PRELOAD=/x/libtelinject.so:" + longer},
               edit_of(PreloadEdit::kRemove)) ==
        Entries{"LD_PRELOAD=a.so", "LD_PRELOAD=" + longer});
}

TEST_CASE("only the file's whole name is ours") {
  for (const char* value : {"libtelinject.so.1", "/x/mylibtelinject.so", "libtelinject.s",
                            "/libtelinject.so/other.so", "telinject.so"}) {
    CAPTURE(value);
    Environ environment({std::string("LD_PRELOAD=") + value});
    CHECK_FALSE(preloads_library(environment.get()));
  }
  for (const char* value : {"libtelinject.so", "/x/libtelinject.so", "a.so:./libtelinject.so",
                            "a.so  libtelinject.so"}) {
    CAPTURE(value);
    Environ environment({std::string("LD_PRELOAD=") + value});
    CHECK(preloads_library(environment.get()));
  }
  Environ none({"LD_PRELOAD2=libtelinject.so"});
  CHECK_FALSE(preloads_library(none.get()));
  CHECK_FALSE(preloads_library(nullptr));
}

TEST_CASE("the address sanitizer's options are added to, not replaced") {
  EnvironmentEdit edit = edit_of(PreloadEdit::kLeave);
  edit.relax_asan = true;
  CHECK(edited({}, edit) == Entries{"ASAN_OPTIONS=verify_asan_link_order=0"});
  CHECK(edited({"ASAN_OPTIONS=detect_leaks=0"}, edit) ==
        Entries{"ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0"});
  CHECK(edited({"ASAN_OPTIONS="}, edit) == Entries{"ASAN_OPTIONS=verify_asan_link_order=0"});
  edit.relax_asan = false;
  CHECK(edited({"ASAN_OPTIONS=a=b"}, edit) == Entries{"ASAN_OPTIONS=a=b"});
}

TEST_CASE("session, parent and trace context are set where they were, else at the end") {
  EnvironmentEdit edit = edit_of(PreloadEdit::kLeave);
  edit.session = "S";
  edit.parent = "P";
  edit.traceparent = "T";
  CHECK(edited({"A=1"}, edit) ==
        Entries{"A=1", "TELINJECT_SESSION=S", "TELINJECT_PARENT=P", "TRACEPARENT=T"});
  CHECK(edited({"TELINJECT_PARENT=old", "A=1", "TELINJECT_SESSION=old", "TELINJECT_SESSION=again"},
               edit) ==
        Entries{"TELINJECT_PARENT=P", "A=1", "TELINJECT_SESSION=S", "TRACEPARENT=T"});
}

TEST_CASE("a trace context that the program chose itself stays") {
  EnvironmentEdit edit = edit_of(PreloadEdit::kLeave);
  edit.traceparent = "T";
  edit.own_traceparent = "ours";
  CHECK(edited({"TRACEPARENT=ours"}, edit) == Entries{"TRACEPARENT=T"});
  CHECK(edited({"TRACEPARENT=theirs"}, edit) == Entries{"TRACEPARENT=theirs"});
  CHECK(edited({}, edit) == Entries{"TRACEPARENT=T"});
  edit.own_traceparent = nullptr;
  CHECK(edited({"TRACEPARENT=theirs"}, edit) == Entries{"TRACEPARENT=theirs"});
}

TEST_CASE("all that is not ours comes through untouched, in place and shared") {
  Environ environment({"A.B=1", "BASH_FUNC_f%%=() { :; }", "noequals", "", "=x", "LD_PRELOADX=1"});
  EnvironmentEdit edit = edit_of(PreloadEdit::kLeave);
  char* slots[16];
  char text[512];
  REQUIRE(edit_environment(environment.get(), edit, slots, 16, text, sizeof text));
  for (size_t i = 0; i < 7; i++) CHECK(slots[i] == environment.get()[i]);
}

TEST_CASE("whatever does not fit is said, for every size below the one asked for") {
  Environ environment({"A=1", "LD_PRELOAD=a.so libtelinject.so", "ASAN_OPTIONS=x", "B=2"});
  EnvironmentEdit edit = edit_of(PreloadEdit::kAdd);
  edit.relax_asan = true;
  edit.session = "session";
  edit.parent = "parent";
  edit.traceparent = "traceparent";
  size_t slots = edited_slots(environment.get());
  size_t bytes = edited_text_bytes(environment.get(), edit);
  size_t needed_slots = slots, needed_bytes = bytes;
  for (size_t n = 0; n <= slots; n++) {
    // Allocated, so that the address sanitizer sees a write beyond.
    std::vector<char*> out(n);
    std::vector<char> text(bytes);
    bool fits = edit_environment(environment.get(), edit, out.data(), n, text.data(), bytes);
    if (fits && n < needed_slots) needed_slots = n;
    if (fits) CHECK(out[needed_slots - 1] == nullptr);
  }
  for (size_t n = 0; n <= bytes; n++) {
    std::vector<char*> out(slots);
    std::vector<char> text(n);
    bool fits = edit_environment(environment.get(), edit, out.data(), slots, text.data(), n);
    if (fits && n < needed_bytes) needed_bytes = n;
  }
  CHECK(needed_slots == 8);
  std::string all = "LD_PRELOAD=a.so:" + std::string(kLibrary) +
                    " ASAN_OPTIONS=x:verify_asan_link_order=0 TELINJECT_SESSION=session "
                    "TELINJECT_PARENT=parent TRACEPARENT=traceparent ";
  CHECK(needed_bytes == all.size());
}

}  // namespace telinject::test::environment_test
