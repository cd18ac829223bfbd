#include "shim/delivery/dispatch.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace telinject::delivery {

namespace {

using net::HttpFailure;
using net::HttpResponse;

constexpr milliseconds kLongestWish{30000};
constexpr milliseconds kPauseAtEnd{500};
// A stream may be reset because the request is too large, or for a reason that passes.
constexpr unsigned kMostResets = 5;  // of one item alone

Verdict verdict_of(const Endpoint& endpoint, const HttpResponse& response, size_t items,
                   int64_t wall_seconds) {
  bool read = response.failure == HttpFailure::kNone || response.failure == HttpFailure::kStatus ||
              response.failure == HttpFailure::kTooLarge;
  // The status came, but not all of the body.
  bool broken = response.status != 0 && !read;
  if (read || (broken && response.failure != HttpFailure::kStreamRefused)) {
    Answer answer = {response.status,
                     response.headers,
                     response.trailers,
                     response.body,
                     broken || response.failure == HttpFailure::kTooLarge,
                     wall_seconds};
    return endpoint.reader->read(answer, items);
  }
  Verdict verdict;
  verdict.kind =
      response.failure == HttpFailure::kStreamRefused ? Verdict::kTooLarge : Verdict::kRetry;
  return verdict;
}

}  // namespace

Dispatch::Dispatch(const Endpoint& endpoint, const Delivery::Limits& limits, Delivery::Tell tell,
                   Random random)
    : endpoint_(endpoint),
      limits_(limits),
      tell_(std::move(tell)),
      random_(std::move(random)),
      who_(absl::StrCat(endpoint.name, " ", url_to_tell(endpoint.url))),
      waiting_(limits, tell_),
      lines_(who_, tell_) {}

void Dispatch::add(Batch batch, TimePoint now) {
  size_t items = batch.size();
  if (items == 0) return;
  if (idle()) last_progress_ = now;  // it has had nothing to do
  totals_.taken += items;
  if (stopped_) {
    totals_.rejected += items;
    return;
  }
  uint64_t lost = waiting_.add(std::move(batch), now);
  if (lost > 0) count_lost(Loss::kSinkError, lost, last_problem_, now);
}

// The next piece of all that waits in memory, of a request's size.
std::optional<Piece> Dispatch::cut(TimePoint now, bool all) {
  if (rest_.items() == 0) {
    std::shared_ptr<const Batch> batch = waiting_.take(now, all);
    if (batch == nullptr) return std::nullopt;
    size_t items = batch->size();
    rest_ = {std::move(batch), 0, items};
  }
  Piece piece = rest_;
  size_t start = piece.from == 0 ? 0 : piece.batch->ends[piece.from - 1];
  piece.to = piece.from + 1;
  while (piece.to < rest_.to && piece.items() < limits_.body_items &&
         piece.batch->ends[piece.to] - start <= limits_.body_bytes) {
    piece.to++;
  }
  rest_.from = piece.to;
  if (rest_.items() == 0) rest_ = {};
  return piece;
}

bool Dispatch::may_send(TimePoint now) const {
  size_t most = failing() ? 1 : limits_.in_flight;
  return !stopped_ && unusable_.empty() && under_way_.size() < most && now >= not_before_;
}

std::optional<WaitingItems::Stored> Dispatch::take_stored(TimePoint now, bool all) {
  if (!again_.empty() || rest_.items() != 0) return std::nullopt;
  auto stored = waiting_.take_stored(now, all);
  if (stored.has_value()) taken_out_ = stored->items;
  return stored;
}

std::optional<WaitingItems::Stored> Dispatch::next_stored(TimePoint now) {
  return may_send(now) ? take_stored(now, flushing_) : std::nullopt;
}

std::optional<WaitingItems::Stored> Dispatch::left_stored(TimePoint now) {
  return under_way_.empty() ? take_stored(now, /*all=*/true) : std::nullopt;
}

void Dispatch::put_back(const WaitingItems::Stored& stored, std::shared_ptr<const Batch> batch,
                        TimePoint now) {
  taken_out_ = 0;
  if (batch == nullptr) {
    return count_lost(Loss::kSinkError, stored.items, "the spool cannot be read", now);
  }
  rest_ = {std::move(batch), 0, stored.items};
}

std::optional<Dispatch::Request> Dispatch::next(TimePoint now) {
  if (!may_send(now)) return std::nullopt;
  std::optional<Piece> piece;
  if (!again_.empty()) {
    piece = std::move(again_.front());
    again_.pop_front();
  } else {
    piece = cut(now, flushing_);
  }
  if (!piece.has_value()) return std::nullopt;
  uint64_t id = next_id_++;
  under_way_.emplace(id, UnderWay{*piece, round_});
  return Request{id, std::move(*piece)};
}

Dispatch::TimePoint Dispatch::next_at() const {
  size_t most = failing() ? 1 : limits_.in_flight;
  if (stopped_ || !unusable_.empty() || under_way_.size() >= most) return TimePoint::max();
  bool ready = !again_.empty() || rest_.items() > 0;
  TimePoint due = ready ? TimePoint::min() : waiting_.due(flushing_);
  return std::max(due, not_before_);
}

bool Dispatch::idle() const {
  return waiting_.empty() && again_.empty() && rest_.items() == 0 && taken_out_ == 0 &&
         under_way_.empty();
}

Dispatch::Reading Dispatch::read(const HttpResponse& response, size_t items,
                                 int64_t wall_seconds) const {
  Reading reading;
  reading.verdict = verdict_of(endpoint_, response, items, wall_seconds);
  reading.failure = response.failure;
  reading.late = response.failure == HttpFailure::kTimeout && response.status == 0;
  reading.words = words_to_tell(endpoint_, reading.verdict.message);
  if (response.status == 0) {
    reading.detail = response.reason;
  } else {
    reading.detail =
        absl::StrCat("status ", response.status, reading.words.empty() ? "" : ": ", reading.words);
  }
  return reading;
}

void Dispatch::answered(uint64_t id, const Reading& reading, uint64_t body_bytes, TimePoint now) {
  auto found = under_way_.find(id);
  if (found == under_way_.end()) return;
  bool first = failures_ == 0 || found->second.round == round_;
  Answered answered = {std::move(found->second.piece), reading, body_bytes, first, now};
  under_way_.erase(found);
  totals_.requests++;
  if (stopped_ && reading.verdict.kind != Verdict::kAccepted) {
    return count_lost(Loss::kRejected, answered.piece.items(), last_problem_, now);
  }
  judge(std::move(answered));
}

void Dispatch::judge(Answered answered) {
  const Reading& reading = answered.reading;
  size_t items = answered.piece.items();
  if (reading.verdict.kind != Verdict::kAccepted) last_problem_ = reading.detail;
  if (reading.failure == HttpFailure::kUnusable) {
    unusable_ = reading.detail;
    again_.push_front(std::move(answered.piece));
    return;
  }
  switch (reading.verdict.kind) {
    case Verdict::kAccepted:
      return accept(answered);
    case Verdict::kTooLarge:
      return too_large(std::move(answered));
    case Verdict::kRetry:
      if (!reading.late || endpoint_.retry_timeouts) return retry(answered, answered.piece);
      last_progress_ = answered.now;
      return count_lost(Loss::kTimeout, items, reading.detail, answered.now);
    case Verdict::kRefused:
      failures_ = 0;
      last_progress_ = answered.now;
      return count_lost(Loss::kRejected, items, reading.detail, answered.now);
    case Verdict::kStop:
      return stop(answered);
  }
}

void Dispatch::accept(const Answered& answered) {
  const Piece& piece = answered.piece;
  const Verdict& verdict = answered.reading.verdict;
  uint64_t rejected = std::min<uint64_t>(verdict.rejected, piece.items());
  Batch again;
  again.framing = piece.batch->framing;
  for (size_t i : verdict.again) {
    if (i >= piece.items() || again.size() >= piece.items() - rejected) continue;
    size_t at = piece.from + i;
    again.add(piece.batch->item(at), piece.batch->traces[at], piece.batch->group(at));
  }
  uint64_t sent = piece.items() - rejected - again.size();
  totals_.sent += sent;
  totals_.bytes += answered.body_bytes;
  if (sent > 0 || rejected > 0) {
    last_progress_ = answered.now;
    failures_ = 0;
  }
  if (rejected > 0) {
    count_lost(Loss::kRejected, rejected, answered.reading.detail, answered.now);
  } else {
    lines_.accepted(answered.now);
    if (again.size() == 0) tell_once(answered.reading.words);
  }
  size_t items = again.size();
  if (items == 0) return;
  if (stopped_) return count_lost(Loss::kRejected, items, last_problem_, answered.now);
  retry(answered, {std::make_shared<Batch>(std::move(again)), 0, items});
}

// What the receiver says although it took everything.
void Dispatch::tell_once(const std::string& words) {
  if (words.empty() || words_told_) return;
  words_told_ = true;
  tell_(absl::StrCat(who_, " says: ", words));
}

// Halved, and sent again.
void Dispatch::too_large(Answered answered) {
  Piece& piece = answered.piece;
  bool reset = answered.reading.failure == HttpFailure::kStreamRefused;
  if (piece.items() <= 1 && reset && ++piece.resets < kMostResets) return retry(answered, piece);
  failures_ = 0;
  if (piece.items() <= 1) {
    last_progress_ = answered.now;
    return count_lost(Loss::kOversize, piece.items(), answered.reading.detail, answered.now);
  }
  size_t middle = piece.from + piece.items() / 2;
  totals_.retried++;
  again_.push_front({piece.batch, middle, piece.to});
  again_.push_front({piece.batch, piece.from, middle});
}

void Dispatch::retry(const Answered& answered, Piece piece) {
  totals_.retried++;
  again_.push_front(std::move(piece));
  pause(answered);
}

milliseconds Dispatch::own_pause() {
  constexpr double kGrowth = 1.5, kSpread = 0.5;
  double pause = static_cast<double>(limits_.first_pause.count()) *
                 std::pow(kGrowth, std::min(failures_, 32U) - 1);
  milliseconds most =
      hurried_ ? std::min(kPauseAtEnd, limits_.longest_pause) : limits_.longest_pause;
  pause = std::min(pause, static_cast<double>(most.count()));
  return milliseconds(static_cast<int64_t>(pause * (1 - kSpread + 2 * kSpread * random_())));
}

void Dispatch::pause(const Answered& answered) {
  if (answered.first) {
    failures_++;
    round_++;
  }
  const std::optional<milliseconds>& wish = answered.reading.verdict.retry_after;
  told_pause_ = wish.has_value();
  milliseconds wait = told_pause_ ? std::clamp(*wish, milliseconds(0), kLongestWish) : own_pause();
  // Several that failed together pause once, by the longest.
  not_before_ = std::max(not_before_, answered.now + wait);
}

void Dispatch::hurry(TimePoint now) {
  hurried_ = true;
  if (!told_pause_) not_before_ = std::min(not_before_, now + kPauseAtEnd / 2);
}

void Dispatch::stop(const Answered& answered) {
  stopped_ = true;
  last_progress_ = answered.now;
  uint64_t items = answered.piece.items() + forget_waiting();
  totals_.rejected += items;
  tell_(absl::StrCat(who_, ": ", answered.reading.detail,
                     "; sending stops, and the program runs on: ", items,
                     " events so far and all later ones are lost; check the address and the "
                     "credentials"));
}

size_t Dispatch::forget_waiting() {
  size_t items = waiting_.clear() + rest_.items();
  rest_ = {};
  for (const Piece& piece : again_) items += piece.items();
  again_.clear();
  return items;
}

std::optional<Piece> Dispatch::take_left(TimePoint now) {
  std::optional<Piece> piece;
  if (!under_way_.empty()) {
    piece = std::move(under_way_.begin()->second.piece);
    under_way_.erase(under_way_.begin());
  } else if (!again_.empty()) {
    piece = std::move(again_.front());
    again_.pop_front();
  } else {
    piece = cut(now, /*all=*/true);
  }
  taken_out_ = piece.has_value() ? piece->items() : 0;
  return piece;
}

void Dispatch::count_left(size_t items) {
  taken_out_ = 0;
  totals_.left += items;
}

void Dispatch::count_not_left(size_t items, const std::string& why, TimePoint now) {
  taken_out_ = 0;
  count_lost(Loss::kSinkError, items, why, now);
}

void Dispatch::lose_all(const std::string& why, TimePoint now) {
  size_t items = forget_waiting();
  for (const auto& [id, one] : under_way_) items += one.piece.items();
  under_way_.clear();
  if (items != 0) count_lost(Loss::kSinkError, items, why, now);
}

void Dispatch::count_lost(Loss loss, uint64_t items, const std::string& detail, TimePoint now) {
  switch (loss) {
    case Loss::kRejected:
      totals_.rejected += items;
      break;
    case Loss::kOversize:
      totals_.oversize += items;
      break;
    case Loss::kTimeout:
      totals_.timeout += items;
      break;
    case Loss::kSinkError:
      totals_.sink_error += items;
      break;
  }
  if (!stopped_) lines_.lost(loss, items, detail, now);
}

Totals Dispatch::totals() const {
  Totals totals = totals_;
  totals.waiting = totals.taken - totals.sent - totals.lost() - totals.left;
  return totals;
}

}  // namespace telinject::delivery
