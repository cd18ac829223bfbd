#include "shim/drain/summary.h"

#include <time.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "shim/channel/clock.h"
#include "shim/drain/why_untraced.h"

namespace telinject {

namespace {

constexpr size_t kSlowest = 5;
constexpr size_t kNameWidth = 44;

std::string grouped(uint64_t value) {
  std::string digits = absl::StrCat(value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string duration(double ns) {
  if (ns < 1e3) return absl::StrFormat("%.0f ns", ns);
  if (ns < 1e6) return absl::StrFormat("%.1f us", ns / 1e3);
  if (ns < 1e9) return absl::StrFormat("%.1f ms", ns / 1e6);
  return absl::StrFormat("%.2f s", ns / 1e9);
}

std::string size(uint64_t bytes) {
  if (bytes < 10000) return absl::StrCat(bytes, " bytes");
  if (bytes < 10000000) return absl::StrFormat("%.1f kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 10000000000) return absl::StrFormat("%.1f MB", static_cast<double>(bytes) / 1e6);
  return absl::StrFormat("%.1f GB", static_cast<double>(bytes) / 1e9);
}

std::string fitted(const std::string& name) {
  if (name.size() <= kNameWidth) return name;
  size_t end = kNameWidth - 3;
  while (end > 0 && (name[end] & 0xc0) == 0x80) end--;  // not within a character
  return name.substr(0, end) + "...";
}

std::string slowest_functions(const std::deque<FunctionTotals>& totals) {
  std::vector<const FunctionTotals*> order;
  for (const FunctionTotals& function : totals) {
    if (function.calls > 0) order.push_back(&function);
  }
  size_t shown = std::min(order.size(), kSlowest);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(shown), order.end(),
                    [](auto* a, auto* b) { return a->self_ns > b->self_ns; });
  std::string text = absl::StrFormat("  %-*s %10s %12s %10s %10s\n", static_cast<int>(kNameWidth),
                                     "slowest functions", "self", "calls", "mean", "longest");
  for (size_t i = 0; i < shown; i++) {
    const FunctionTotals& f = *order[i];
    absl::StrAppendFormat(&text, "    %-*s %8s %12s %10s %10s\n", static_cast<int>(kNameWidth),
                          fitted(f.name), duration(static_cast<double>(f.self_ns)),
                          grouped(f.calls),
                          duration(static_cast<double>(f.total_ns) / static_cast<double>(f.calls)),
                          duration(static_cast<double>(f.max_ns)));
  }
  return text;
}

std::string loss_lines(const Losses& losses) {
  std::string text;
  for (size_t i = 0; i < kLossReasons; i++) {
    auto reason = static_cast<LossReason>(i);
    if (losses.count(reason) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", loss_reason_name(reason), " ",
                    grouped(losses.count(reason)));
  }
  if (text.empty()) return "  lost       nothing\n";
  std::string advice;
  if (losses.count(LossReason::kQueueFull) > 0) {
    advice = "             lose none: TELEMETRY_ON_FULL=block; record fewer: SAMPLE_RATE=0.1\n";
  }
  return absl::StrCat("  lost       ", text, "\n", advice);
}

}  // namespace

std::string summary_text(const SummaryFacts& facts, const Losses& losses,
                         const std::deque<FunctionTotals>& totals) {
  if (facts.spans == 0) {
    return absl::StrCat("telrun: no function was seen\n", why_untraced(facts));
  }
  double pair = measure_pair_cost_ns();
  std::string text = absl::StrCat(
      "telrun: ", grouped(facts.spans), facts.spans == 1 ? " span" : " spans", " in ",
      facts.processes, facts.processes == 1 ? " process" : " processes", "\n", loss_lines(losses));
  absl::StrAppend(&text, "  overhead   about ", duration(pair * static_cast<double>(facts.spans)),
                  absl::StrFormat(" of processor time (%.0f ns a call)\n", pair));
  absl::StrAppend(&text, "  data       ", facts.destination, ", ", grouped(facts.events),
                  " events, ", size(facts.bytes), "\n", slowest_functions(totals));
  if (!facts.file.empty()) {
    absl::StrAppend(&text,
                    "  next       jq -c 'select(.duration_ms > 1) | [.duration_ms, "
                    ".function_name]' ",
                    facts.file, " | sort -t[ -k2 -rn | head\n");
  } else {
    text += "  next       telrun --file trace.jsonl ...   keeps the events apart from the output\n";
  }
  return text;
}

double measure_pair_cost_ns() {
  // An entry and an exit: the clock twice, 48 bytes, into a ring that stays in the cache.
  constexpr int kPairs = 20000, kWords = 1 << 15;
  static uint64_t memory[kWords];
  volatile uint64_t* ring = memory;
  double best = 1e9;
  for (int run = 0; run < 5; run++) {
    timespec start = {}, end = {};
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint32_t at = 0;
    for (int i = 0; i < kPairs; i++) {
      uint64_t entry = read_tsc();
      for (uint32_t word = 1; word < 4; word++) ring[(at + word) % kWords] = entry + word;
      ring[at % kWords] = entry;
      uint64_t exit = read_tsc();
      ring[(at + 5) % kWords] = exit;
      ring[(at + 4) % kWords] = exit;
      at += 6;
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    double ns = static_cast<double>(end.tv_sec - start.tv_sec) * 1e9 +
                static_cast<double>(end.tv_nsec - start.tv_nsec);
    best = std::min(best, ns / kPairs);
  }
  return best;
}

}  // namespace telinject
