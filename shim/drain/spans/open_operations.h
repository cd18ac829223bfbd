// Operations that are open: what all kinds of them have in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shim/events/operation_span.h"

namespace telinject::drain {

// The most that a process may have open of one kind: beyond, the oldest is given up.
inline constexpr size_t kMaxOpenOperations = 65536;

// An operation, and who of the drain refers to it. Each kind derives its own from this.
struct OpenOperation {
  OperationSpan span;
  bool sampled = true;
  // The call that made it, and its thread: it waits for the operation's end. 0: none is known.
  uint64_t asked_by_call = 0;
  int asked_by_thread = 0;

  struct Process* process = nullptr;
  struct Thread* server_of = nullptr;  // this server span is open on that thread

  // Without the last two: what refers to it says so itself (processor_state.cpp).
  template <typename Archive>
  void io(Archive& a) {
    a(span, sampled, asked_by_call, asked_by_thread);
  }
};

// What a kind of operation knows of one process. Each kind derives its own from this.
struct OperationState {
  OperationState() = default;
  OperationState(const OperationState&) = delete;
  OperationState& operator=(const OperationState&) = delete;
  virtual ~OperationState() = default;
};

// Those of one process: few, so they are looked for one by one.
class OperationStates {
 public:
  // Null if there is none.
  template <typename State>
  State* find() const {
    for (const auto& each : all_) {
      if (auto* state = dynamic_cast<State*>(each.get())) return state;
    }
    return nullptr;
  }
  // Made now if there is none.
  template <typename State>
  State& get() {
    if (State* state = find<State>()) return *state;
    auto made = std::make_unique<State>();
    State& state = *made;
    all_.push_back(std::move(made));
    return state;
  }

 private:
  std::vector<std::unique_ptr<OperationState>> all_;
};

// The operations of one kind that a process has open: by key, and by age. Open derives from
// OpenOperation and has a Key key() const.
template <typename Key, typename Open>
class OpenOperations {
 public:
  // Null if there is none.
  Open* find(const Key& key) const {
    auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second->open.get();
  }
  bool full() const { return by_key_.size() >= kMaxOpenOperations; }
  bool empty() const { return by_age_.empty(); }
  size_t size() const { return by_key_.size(); }
  Open* oldest() const { return by_age_.front().open.get(); }

  // Null if the key is in use.
  Open* add(std::unique_ptr<Open> open) {
    Key key = open->key();
    auto [place, added] = by_key_.try_emplace(key);
    if (!added) return nullptr;
    by_age_.push_back({std::move(open)});
    place->second = std::prev(by_age_.end());
    return by_age_.back().open.get();
  }
  void erase(const Open& open) {
    auto found = by_key_.find(open.key());
    if (found == by_key_.end()) return;
    by_age_.erase(found->second);
    by_key_.erase(found);
  }

  // Gives it another key; its age stays. False if that key is in use. `change` makes its key() so.
  template <typename Change>
  bool rename(Open* open, const Key& key, Change&& change) {
    auto found = by_key_.find(open->key());
    if (found == by_key_.end() || by_key_.contains(key)) return false;
    auto place = found->second;
    by_key_.erase(found);
    change();
    by_key_.emplace(key, place);
    return true;
  }

  // From the oldest on; visit(Open*) may not change the table.
  template <typename Visit>
  void each(Visit&& visit) const {
    for (const Entry& entry : by_age_) visit(entry.open.get());
  }

  // Enrolls them, in the order of their age.
  template <typename Archive>
  void io(Archive& a, struct Process* process) {
    uint64_t size = a.count(by_age_.size());
    auto next = by_age_.begin();
    for (uint64_t i = 0; i < size && a.good(); i++) {
      Open* open;
      if constexpr (Archive::kReads) {
        auto made = std::make_unique<Open>();
        made->io(a);
        made->process = process;
        open = add(std::move(made));
        if (open == nullptr) return a.fail();
      } else {
        open = (next++)->open.get();
        open->io(a);
      }
      a.template enroll_as<OpenOperation>(open);
    }
  }

 private:
  struct Entry {
    std::unique_ptr<Open> open;
  };
  std::list<Entry> by_age_;
  absl::flat_hash_map<Key, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace telinject::drain
