#include "shim/views/kept_calls.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>
#include <utility>

namespace telinject::views {

namespace {

constexpr size_t kLongestOfEach = 20;

// The calls of each function that took longest themselves.
std::vector<CallRef> longest_calls(const SpanLog& log) {
  using Entry = std::pair<int64_t, std::pair<uint32_t, uint32_t>>;
  using Shortest = std::priority_queue<Entry, std::vector<Entry>, std::greater<>>;
  std::vector<Shortest> of_function(log.functions.size());
  for (uint32_t t = 0; t < log.tracks.size(); t++) {
    const Track& track = log.tracks[t];
    std::vector<int64_t> own =
        own_parts(track, [&](uint32_t call) { return track.length_ns(call); });
    for (uint32_t call = 0; call < track.size(); call++) {
      Shortest& longest = of_function[log.sites[track.site(call)].function];
      if (longest.size() == kLongestOfEach && longest.top().first >= own[call]) continue;
      if (longest.size() == kLongestOfEach) longest.pop();
      longest.push({own[call], {t, call}});
    }
  }
  std::vector<CallRef> calls;
  for (Shortest& longest : of_function) {
    for (; !longest.empty(); longest.pop()) {
      calls.push_back({longest.top().second.first, longest.top().second.second});
    }
  }
  return calls;
}

// Marks what is around a marked call.
void add_callers(const Track& track, std::vector<bool>* kept) {
  std::vector<bool> wanted;  // by depth: a call below has been marked
  for (uint32_t call = track.size(); call-- > 0;) {
    uint32_t depth = track.depth(call);
    if (wanted.size() <= depth + 1) wanted.resize(depth + 2);
    if (wanted[depth + 1]) (*kept)[call] = true;
    wanted[depth + 1] = false;
    if ((*kept)[call]) wanted[depth] = true;
  }
}

}  // namespace

KeptCalls choose_calls(const SpanLog& log, uint64_t most) {
  KeptCalls chosen;
  chosen.count = log.calls - log.unshown_calls;
  bool all = chosen.count <= most;
  for (const Track& track : log.tracks) chosen.kept.emplace_back(track.size(), all);
  if (all) return chosen;
  std::vector<uint64_t> longer(64);  // by the bits of a length: calls that are as long or longer
  for (const Track& track : log.tracks) {
    for (uint32_t call = 0; call < track.size(); call++) {
      longer[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(track.length_ns(call))))]++;
    }
  }
  for (size_t bits = longer.size() - 1; bits-- > 0;) longer[bits] += longer[bits + 1];
  size_t bits = 0;
  while (bits < 62 && longer[bits] > most) bits++;
  chosen.threshold_ns = bits == 0 ? 1 : int64_t{1} << (bits - 1);
  std::vector<CallRef> longest = longest_calls(log);
  if (longest.size() > most / 4) longest.clear();
  for (const CallRef& each : longest) chosen.kept[each.track][each.call] = true;
  chosen.count = 0;
  for (size_t t = 0; t < log.tracks.size(); t++) {
    const Track& track = log.tracks[t];
    std::vector<bool>& kept = chosen.kept[t];
    for (uint32_t call = 0; call < track.size(); call++) {
      bool root = track.depth(call) == 0 && log.tracks.size() + track.size() <= most;
      if (track.length_ns(call) >= chosen.threshold_ns || root) kept[call] = true;
    }
    for (const auto& [call, mark] : track.marks()) {
      if (mark.failed) kept[call] = true;
    }
    add_callers(track, &kept);
    chosen.count += static_cast<uint64_t>(std::count(kept.begin(), kept.end(), true));
  }
  return chosen;
}

}  // namespace telinject::views
