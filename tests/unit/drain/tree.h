// A call tree fed by hand, that writes down what it is told.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shim/drain/naming/sites.h"
#include "shim/drain/tree/call_tree.h"

namespace telinject::test {
using namespace drain;

inline constexpr SegmentKey kKey = {0x0123456789abcdef, 0xfedcba9876543210};
inline constexpr uint64_t kStackLo = 0x7ffe00000000, kStackHi = 0x7ffe00100000;

// A function is a letter. Where it is called from: the frame that it stands in (sp), the call site
// of that physical frame, and the place of its hook's call (return address).
struct Call {
  char name;
  uint64_t sp, call_site, return_address;
};

class Tree final : public CallTree::Listener, public SiteResolver {
 public:
  explicit Tree(std::optional<ParentContext> context = std::nullopt,
                size_t most_stacks = SharedStacks::kMost)
      : stacks(most_stacks), tree(kKey, 3, kStackLo, kStackHi, context, &stacks, this, this) {}

  static uint64_t function(char name) { return 0x55550000 + static_cast<uint64_t>(name) * 0x100; }

  // A call of its own physical frame, at a place that no other call has.
  Call call(char name, uint64_t sp) { return {name, sp, next_site_ += 0x10, function(name) + 4}; }
  // A function inlined into the frame of `around`, at the `place`th hook call in it.
  static Call inlined(char name, const Call& around, uint64_t place) {
    return {name, around.sp, around.call_site, function(around.name) + 0x10 + place};
  }
  // What DWARF would say of the place: functions around it, outermost first.
  void chain_at(uint64_t return_address, const std::string& functions) {
    chains_[static_cast<uint32_t>(return_address)] = functions;
  }

  // The function that the call site lies in.
  void caller_is(const Call& call, char name) {
    callers_[call.call_site] = static_cast<uint64_t>(name);
  }

  uint64_t enter(const Call& at) {
    uint64_t record[4] = {++ticks, function(at.name), at.call_site | kSecondUnit,
                          (at.sp & 0xffffffff) | at.return_address << 32};
    uint64_t position = next_position_ += kEntryBytes;
    tree.entry(record, position, ticks, static_cast<int64_t>(ticks));
    return position;
  }
  void leave(const Call& at) {
    uint64_t record[2] = {++ticks | kExitBit,
                          (function(at.name) & 0xffffffff) | (at.sp & 0xffffffff) << 32};
    tree.exit(record, ticks);
  }
  void go_to(uint64_t lo, uint64_t bytes, uint64_t what) {
    tree.stack_switch(lo, bytes, what, ++ticks);
  }
  void unwind(UnwindKind kind, uint64_t pc, uint64_t sp) { tree.unwind(kind, pc, sp, ++ticks); }

  // The thread has just waited that long.
  void wait(uint64_t time) {
    ticks += time;
    tree.waited(static_cast<int64_t>(time), static_cast<int64_t>(ticks));
  }

  // What was told since the last call: "+a" opened, "-a" returned, "~a" unwound; "?" an orphan
  // exit; a bound is followed by "<".
  std::string log() { return std::exchange(log_, {}); }
  // "b<a": b's parent is a; "b<" has none here.
  std::string parents() const { return parents_; }

  void opened(CallTree*, const Frame& frame) override {
    char name = name_of(frame);
    log_ += std::string("+") + name;
    names_[frame.span_id] = name;
    auto parent = names_.find(frame.parent_span_id);
    parents_ += (parents_.empty() ? "" : " ") + std::string(1, name) + "<" +
                (parent != names_.end() ? std::string(1, parent->second) : "");
    last = frame;
  }
  void closed(CallTree*, const Frame& frame, ExitKind kind, uint64_t end, bool bound) override {
    log_ += "-~jtpxkv."[static_cast<size_t>(kind)];
    log_ += name_of(frame);
    if (bound) log_ += "<";
    ends[name_of(frame)] = end;
    closed_last = frame;
    durations[name_of(frame)] = frame.duration_ns(static_cast<int64_t>(end));
  }
  void orphan_exit(CallTree*) override { log_ += "?"; }
  void stack_forgotten(CallTree*, uint64_t calls, uint64_t) override { forgotten += calls; }

  const Site* site(uint64_t, uint32_t return_address, uint64_t call_site) override {
    Site& site = sites_[{return_address, call_site}];
    site.chain = chain(return_address);
    auto caller = callers_.find(call_site);
    site.caller = caller != callers_.end() ? caller->second : 0;
    return &site;
  }
  std::vector<uint64_t> chain(uint64_t return_address) override {
    std::vector<uint64_t> ids;
    auto found = chains_.find(static_cast<uint32_t>(return_address));
    if (found == chains_.end()) return ids;
    for (char name : found->second) ids.push_back(static_cast<uint64_t>(name));
    return ids;
  }

  SharedStacks stacks;
  CallTree tree;
  uint64_t forgotten = 0;  // calls, with stacks that gave way
  uint64_t ticks = 100;
  Frame last = {}, closed_last = {};
  std::map<char, uint64_t> ends;
  std::map<char, int64_t> durations;  // of the last call of each

 private:
  static char name_of(const Frame& frame) {
    return static_cast<char>((frame.function - 0x55550000) / 0x100);
  }

  uint64_t next_site_ = 0x66660000;
  uint64_t next_position_ = 0;
  std::map<uint32_t, std::string> chains_;
  std::map<uint64_t, uint64_t> callers_;
  std::map<std::pair<uint32_t, uint64_t>, Site> sites_;
  std::map<uint64_t, char> names_;
  std::string log_, parents_;
};

}  // namespace telinject::test
