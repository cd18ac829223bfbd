#include "shim/drain/records/clock_map.h"

#include <time.h>

#include <cmath>

#include "arch/x86_64/tsc.h"
#include "shim/channel/clock.h"
#include "shim/channel/layout.h"

namespace telinject::drain {

namespace {

constexpr int kRateBits = 32;

// A program can write any ticks. Times stay what a timestamp can hold: 1970 to 2262.
int64_t in_range(__int128 ns) {
  if (ns < 0) return 0;
  return ns > INT64_MAX ? INT64_MAX : static_cast<int64_t>(ns);
}

uint64_t rate_between(const ClockAnchor& a, const ClockAnchor& b) {
  auto ns = static_cast<unsigned __int128>(b.monotonic_ns - a.monotonic_ns);
  return static_cast<uint64_t>((ns << kRateBits) / (b.ticks - a.ticks));
}

// A recording's anchors may say anything. Usable: within a century, a tick of at most 1 us.
bool usable(const ClockAnchor& a, const ClockAnchor& b) {
  constexpr int64_t kMostNs = int64_t{1} << 61;
  constexpr uint64_t kMostRate = uint64_t{1000} << kRateBits;
  if (a.monotonic_ns < 0 || b.monotonic_ns > kMostNs) return false;
  return b.ticks > a.ticks && b.monotonic_ns > a.monotonic_ns && rate_between(a, b) <= kMostRate;
}

int64_t difference(int64_t a, int64_t b) {
  int64_t result;
  return __builtin_sub_overflow(a, b, &result) ? 0 : result;
}

}  // namespace

uint64_t ClockMap::now(ClockKind kind) {
  return kind == ClockKind::kTsc ? arch::read_tsc() : monotonic_ns();
}

ClockAnchor ClockMap::take_anchor(ClockKind kind) {
  if (kind == ClockKind::kMonotonic) {
    int64_t ns = clock_ns(CLOCK_MONOTONIC);
    return {static_cast<uint64_t>(ns), ns};
  }
  ClockAnchor best = {};
  uint64_t narrowest = ~uint64_t{0};
  for (int i = 0; i < 16; i++) {
    uint64_t before = arch::read_tsc();
    int64_t ns = clock_ns(CLOCK_MONOTONIC);
    uint64_t width = arch::read_tsc() - before;
    if (width < narrowest) {
      narrowest = width;
      best = {before + width / 2, ns};
    }
  }
  return best;
}

ClockMap::ClockMap(ClockKind kind, ClockAnchor first, int64_t realtime_ns)
    : kind_(kind), offset_ns_(difference(realtime_ns, first.monotonic_ns)), last_(first) {
  // Until a second anchor is there, a tick counts as a nanosecond; the drain adds one before it
  // converts anything.
  pieces_.push_back({first.ticks, realtime_ns, uint64_t{1} << kRateBits});
}

double ClockMap::add_anchor(ClockAnchor anchor) {
  if (!usable(last_, anchor)) return 0;
  uint64_t rate = rate_between(last_, anchor);
  if (!calibrated_) {
    calibrated_ = true;
    pieces_.front().rate = rate;
    last_ = anchor;
    return 0;
  }
  const Piece& piece = pieces_.back();
  double drift = (static_cast<double>(rate) / static_cast<double>(piece.rate) - 1) * 1e6;
  // Joins where the last piece has come to, and meets the true time an interval later.
  int64_t reached = at(piece, anchor.ticks);
  int64_t interval = anchor.monotonic_ns - last_.monotonic_ns;
  auto ahead = static_cast<__int128>(reached) - anchor.monotonic_ns - offset_ns_;
  double corrected =
      static_cast<double>(rate) * (1 - static_cast<double>(ahead) / static_cast<double>(interval));
  // Never backwards, never more than a tenth off.
  corrected = std::fmax(corrected, static_cast<double>(rate) * 0.9);
  corrected = std::fmin(corrected, static_cast<double>(rate) * 1.1);
  pieces_.push_back({anchor.ticks, reached, static_cast<uint64_t>(corrected)});
  if (pieces_.size() >= 2 * kMostPieces)
    pieces_.erase(pieces_.begin(), pieces_.end() - kMostPieces);
  last_ = anchor;
  return std::fabs(drift);
}

int64_t ClockMap::at(const Piece& piece, uint64_t ticks) const {
  auto distance = static_cast<__int128>(static_cast<int64_t>(ticks - piece.start));
  return in_range(piece.start_ns + ((distance * piece.rate) >> kRateBits));
}

int64_t ClockMap::to_ns(uint64_t ticks) const {
  if (kind_ == ClockKind::kMonotonic) return in_range(static_cast<__int128>(ticks) + offset_ns_);
  for (size_t i = pieces_.size(); i-- > 1;) {
    if (static_cast<int64_t>(ticks - pieces_[i].start) >= 0) return at(pieces_[i], ticks);
  }
  return at(pieces_.front(), ticks);
}

}  // namespace telinject::drain
