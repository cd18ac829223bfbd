// Decodes HTTP/2's header compression with libnghttp2, and restores the order that it needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

struct nghttp2_hd_inflater;

namespace telinject {

// One direction of a connection. Each block changes the state that the next one needs, so decoding
// ends at a block that is missing or malformed.
class HpackDecoder {
 public:
  HpackDecoder();
  ~HpackDecoder();
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;

  // Calls field(name, value) for each field of a whole block; false if it is malformed.
  template <typename Visit>
  bool decode(std::string_view block, Visit&& field) {
    begin(block);
    std::string_view name, value;
    for (;;) {
      switch (next(&name, &value)) {
        case Step::kField:
          field(name, value);
          break;
        case Step::kEnd:
          return true;
        case Step::kBad:
          return false;
      }
    }
  }

 private:
  enum class Step { kField, kEnd, kBad };
  void begin(std::string_view block) { rest_ = block; }
  Step next(std::string_view* name, std::string_view* value);

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string_view rest_;
};

// Sorts blocks by their sequence numbers, because they come from the lanes of different threads. It
// keeps a few; if a block does not come, the connection is given up.
template <typename Block>
class BlockOrder {
 public:
  static constexpr size_t kMostHeld = 256;

  // Calls visit(block) for each one whose turn it is; visit may call lose(). False once one is
  // missing for good: `block` was not taken then.
  template <typename Visit>
  bool take(uint32_t sequence, Block* block, Visit&& visit) {
    if (lost_) return false;
    if (sequence != next_) {
      // An old number again: its place is unknown.
      auto ahead = static_cast<int32_t>(sequence - next_);
      if (ahead < 0 || held_.size() == kMostHeld || held_.contains(sequence)) {
        lost_ = true;
        return false;
      }
      held_.emplace(sequence, std::move(*block));
      return true;
    }
    next_++;
    visit(std::move(*block));
    for (auto it = held_.find(next_); it != held_.end() && !lost_; it = held_.find(next_)) {
      auto node = held_.extract(it);
      next_++;
      visit(std::move(node.mapped()));
    }
    return true;
  }
  // True if visit(block) is for one of those that wait.
  template <typename Visit>
  bool holds(Visit&& visit) const {
    return std::any_of(held_.begin(), held_.end(),
                       [&](const auto& each) { return visit(each.second); });
  }
  bool lost() const { return lost_; }
  void lose() { lost_ = true; }
  // Visits the waiting blocks, which cannot be decoded once one is lost.
  template <typename Visit>
  void give_up(Visit&& visit) {
    std::map<uint32_t, Block> held = std::exchange(held_, {});
    for (auto& [sequence, block] : held) visit(std::move(block));
  }

 private:
  uint32_t next_ = 0;
  bool lost_ = false;
  std::map<uint32_t, Block> held_;
};

}  // namespace telinject
