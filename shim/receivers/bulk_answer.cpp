#include <nlohmann/json.hpp>

#include "shim/receivers/formats.h"

namespace telinject::receivers {

namespace {

using delivery::Answer;
using delivery::Verdict;
using nlohmann::json;

// {"errors":true,"items":[{"create":{"status":429,"error":{"type":"...","reason":"..."}}},...]}, in
// the order of the request. Without a tree: an answer may be large, or of any shape.
class Items final : public nlohmann::json_sax<json> {
 public:
  explicit Items(size_t items) : items_(items) {}

  // `broken`: the answer is not whole.
  Verdict take(bool broken) {
    // What is said of the other items is not known. They have ids, so they may be sent again.
    while (broken && next_ < items_) verdict_.again.push_back(next_++);
    if (errors_ && next_ < items_) {
      rejected_ += items_ - next_;
      tell("an answer with errors, and without a status for each item");
    }
    verdict_.rejected = rejected_;
    return std::move(verdict_);
  }
  bool has_items() const { return items_depth_ != 0; }

  bool null() override { return true; }
  bool boolean(bool value) override {
    if (depth_ == 1 && key_ == "errors") errors_ = value;
    return true;
  }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr number_unsigned_t kMost = 1000;
    return number(static_cast<number_integer_t>(std::min(value, kMost)));
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    if (depth_ == in_item(3) && in_error_ && key_ == "type") type_ = value;
    if (depth_ == in_item(3) && in_error_ && key_ == "reason") reason_ = value;
    if (depth_ == in_item(2) && key_ == "error") reason_ = value;
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    return true;
  }
  bool start_object(size_t) override {
    in_error_ = depth_ == in_item(2) && key_ == "error";
    depth_++;
    if (depth_ != in_item(1)) return true;
    status_ = kNone;
    type_.clear();
    reason_.clear();
    return next_ < items_;  // more than were sent: nothing of it is of use
  }
  bool end_object() override {
    if (depth_ == in_item(1)) end_item();
    depth_--;
    if (depth_ == in_item(2)) in_error_ = false;
    return true;
  }
  bool start_array(size_t) override {
    if (items_depth_ == 0 && depth_ == 1 && key_ == "items") items_depth_ = depth_ + 1;
    depth_++;
    return true;
  }
  bool end_array() override {
    if (depth_ == items_depth_) items_depth_ = kOver;
    depth_--;
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;  // what was read until then counts
  }

 private:
  static constexpr number_integer_t kNone = 0;  // status
  static constexpr size_t kOver = ~size_t{0} / 2;

  // The depth of what is so far below the list of items; none if we are not in it.
  size_t in_item(size_t below) const {
    return items_depth_ == 0 || items_depth_ == kOver ? kOver : items_depth_ + below;
  }
  bool number(number_integer_t value) {
    if (depth_ == in_item(2) && key_ == "status") status_ = value;
    return true;
  }
  void end_item() {
    constexpr number_integer_t kTooMany = 429, kUnavailable = 503, kConflict = 409;
    size_t item = next_++;
    constexpr number_integer_t kFirstGood = 200, kFirstBad = 300;
    // 409: it is there already, for a request may come twice.
    if ((status_ >= kFirstGood && status_ < kFirstBad) || status_ == kConflict) return;
    bool later = status_ == kTooMany || status_ == kUnavailable;
    if (later) {
      verdict_.again.push_back(item);
    } else {
      rejected_++;
    }
    // One that is lost says more than one that will be sent again.
    if (!later && rejected_ == 1) verdict_.message.clear();
    std::string status = std::to_string(status_);
    std::string what = status_ == kNone ? "item without a status" : "item status " + status;
    if (!type_.empty()) what += ", " + type_;
    if (!reason_.empty()) what += ": " + reason_;
    tell(what);
  }
  void tell(const std::string& what) {
    if (verdict_.message.empty()) verdict_.message = what;
  }

  size_t items_, depth_ = 0, items_depth_ = 0, next_ = 0;
  bool in_error_ = false, errors_ = false;
  std::string key_, type_, reason_;
  number_integer_t status_ = kNone;
  uint64_t rejected_ = 0;
  Verdict verdict_;
};

}  // namespace

Verdict BulkAnswerReader::read(const Answer& answer, size_t items) const {
  Verdict verdict = delivery::read_status(answer);
  if (verdict.kind != Verdict::kAccepted) return verdict;
  Items reader(items);
  bool whole = json::sax_parse(answer.body, &reader);
  return reader.take(answer.body_is_cut || (!whole && reader.has_items()));
}

}  // namespace telinject::receivers
