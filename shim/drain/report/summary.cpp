#include "shim/drain/report/summary.h"

#include <time.h>

#include <algorithm>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "arch/x86_64/tsc.h"
#include "shim/channel/clock.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/report/totals_report.h"
#include "shim/drain/report/why_untraced.h"

namespace telinject::drain {

namespace {

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

std::string filtered_line(const SummaryFacts& facts) {
  std::string text;
  for (size_t i = 1; i < kFilterReasons; i++) {
    if (facts.filtered[i] == 0) continue;
    absl::StrAppend(&text, text.empty() ? "  left out   " : ", ", grouped(facts.filtered[i]),
                    " by ", std::string(filter_name(static_cast<FilteredBy>(i))));
  }
  return text.empty() ? "" : text + "; the totals below have them\n";
}

std::string waited_line(const SummaryFacts& facts) {
  if (facts.waits == 0) return "";
  return absl::StrCat("  waited     ", duration_text(static_cast<double>(facts.waited_ns)), " in ",
                      grouped(facts.waits), facts.waits == 1 ? " wait" : " waits",
                      " for room, taken out of all times\n");
}

std::string run_line(const RunTimes& run) {
  if (run.threads == 0) return "";
  auto time = [](int64_t ns) { return duration_text(static_cast<double>(ns)); };
  return absl::StrCat("  ran        ", time(run.running_ns), ", ready but not running ",
                      time(run.delayed_ns), ", blocked ", time(run.blocked_ns()), " (",
                      grouped(run.threads), run.threads == 1 ? " thread" : " threads", " for ",
                      time(run.sampled_ns), ")\n");
}

std::string preempted_line(const SummaryFacts& facts) {
  if (facts.preemptions == 0) return "";
  return absl::StrCat("  preempted  ", duration_text(static_cast<double>(facts.preempted_ns)),
                      " in which other threads had the processor, taken out of all times\n");
}

// How many requests there were, and where the time went.
std::string http_lines(const HttpTotals& http, int64_t waited_ns) {
  constexpr size_t kPathsShown = 3;
  if (http.requests() == 0 && http.unread() == 0) return "";
  std::string text = absl::StrCat("  http       ", grouped(http.requests()),
                                  http.requests() == 1 ? " request, " : " requests, ",
                                  grouped(http.failed()), " failed");
  if (http.unread() > 0) {
    absl::StrAppend(&text, ", ", grouped(http.unread()), " messages could not be read");
  }
  if (waited_ns > 0) {
    absl::StrAppend(&text, "; calls waited ", duration_text(static_cast<double>(waited_ns)),
                    " for responses, in no own time");
  }
  text += "\n";
  for (const HttpTotals::Path& path : http.slowest(kPathsShown)) {
    absl::StrAppend(&text, "             ", duration_text(static_cast<double>(path.longest_ns)),
                    " at most  ", path.name);
    if (path.requests > 1) absl::StrAppend(&text, "  (", grouped(path.requests), " times)");
    text += "\n";
  }
  return text;
}

// How to read the file, by its name.
std::string reader_of(const std::string& file) {
  if (absl::EndsWith(file, ".zst")) return absl::StrCat("zstdcat ", file, " | ");
  if (absl::EndsWith(file, ".gz")) return absl::StrCat("zcat ", file, " | ");
  return "";
}

}  // namespace

std::string summary_text(const SummaryFacts& facts, const Losses& losses,
                         const std::deque<FunctionTotals>& totals, const HttpTotals& http) {
  uint64_t calls =
      facts.spans + std::accumulate(facts.filtered.begin(), facts.filtered.end(), uint64_t{0});
  if (calls == 0 && http.requests() > 0) {
    return absl::StrCat("telrun: ", grouped(http.requests()),
                        http.requests() == 1 ? " HTTP request" : " HTTP requests", " in ",
                        facts.processes, facts.processes == 1 ? " process" : " processes", "\n",
                        http_lines(http, 0), loss_lines(losses), waited_line(facts),
                        preempted_line(facts), "  data       ", facts.destination, ", ",
                        grouped(facts.events), " events, ", size_text(facts.bytes), "\n");
  }
  if (calls == 0) {
    return absl::StrCat("telrun: no function was seen\n", why_untraced(facts));
  }
  int64_t waited = 0;
  for (const FunctionTotals& function : totals) add_ns(&waited, function.http_ns);
  double pair = measure_pair_cost_ns();
  std::string text =
      absl::StrCat("telrun: ", grouped(facts.spans), facts.spans == 1 ? " span" : " spans", " in ",
                   facts.processes, facts.processes == 1 ? " process" : " processes", "\n",
                   filtered_line(facts), http_lines(http, waited), loss_lines(losses),
                   waited_line(facts), preempted_line(facts), run_line(facts.run));
  absl::StrAppend(&text, "  overhead   about ", duration_text(pair * static_cast<double>(calls)),
                  absl::StrFormat(" of processor time (%.0f ns a call)\n", pair));
  absl::StrAppend(&text, "  data       ", facts.destination, ", ", grouped(facts.events),
                  " events, ", size_text(facts.bytes), "\n", totals_table(facts, totals));
  if (!facts.file.empty()) {
    absl::StrAppend(&text, "  next       ", reader_of(facts.file),
                    "jq -c 'select(.duration_ms > 1) | [.duration_ms, .function_name]' ",
                    reader_of(facts.file).empty() ? facts.file + " " : "",
                    "| sort -t[ -k2 -rn | head\n");
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
    uint64_t start = monotonic_ns();
    uint32_t at = 0;
    for (int i = 0; i < kPairs; i++) {
      uint64_t entry = arch::read_tsc();
      for (uint32_t word = 1; word < 4; word++) ring[(at + word) % kWords] = entry + word;
      ring[at % kWords] = entry;
      uint64_t exit = arch::read_tsc();
      ring[(at + 5) % kWords] = exit;
      ring[(at + 4) % kWords] = exit;
      at += 6;
    }
    double ns = static_cast<double>(monotonic_ns() - start);
    best = std::min(best, ns / kPairs);
  }
  return best;
}

}  // namespace telinject::drain
