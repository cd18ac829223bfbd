#include "shim/drain/report/summary.h"

#include <time.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "arch/x86_64/tsc.h"
#include "shim/channel/clock.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/base/find_program.h"
#include "shim/drain/report/totals_report.h"
#include "shim/drain/report/why_untraced.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/shell_word.h"

namespace telinject::drain {

namespace {

std::string loss_lines(const Losses& losses) {
  std::string text;
  for (size_t i = 0; i < kLossReasons; i++) {
    auto reason = static_cast<LossReason>(i);
    if (losses.count(reason) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", loss_reason_name(reason), " ",
                    losses.count(reason) == Losses::kUnknown ? "an unknown number"
                                                             : grouped(losses.count(reason)));
  }
  if (text.empty()) return "  lost       nothing\n";
  std::string advice;
  if (losses.count(LossReason::kQueueFull) > 0) {
    advice = "             lose none: TELEMETRY_ON_FULL=block; record fewer: SAMPLE_RATE=0.1\n";
  }
  return absl::StrCat("  lost       ", text, "\n", advice);
}

// Programs that asked to be traced and were not.
std::string untraced_lines(const SummaryFacts& facts) {
  std::string text;
  for (const auto& [reason, count] : facts.untraced) {
    absl::StrAppend(&text, "  not traced ", grouped(count), count == 1 ? " program" : " programs",
                    ": ", reason, "\n");
  }
  return text;
}

std::string filtered_line(const SummaryFacts& facts) {
  std::string text;
  for (size_t i = 1; i < kFilterReasons; i++) {
    if (facts.filtered[i] == 0) continue;
    absl::StrAppend(&text, text.empty() ? "  left out   " : ", ", grouped(facts.filtered[i]),
                    " by ", std::string(filter_name(static_cast<FilteredBy>(i))));
  }
  return text.empty() ? "" : text + "; the totals below include them\n";
}

// Of tail sampling, or of the flight recorder.
std::string kept_line(const SummaryFacts& facts) {
  return facts.kept.empty() ? "" : absl::StrCat("  ", facts.kept, "\n");
}

std::string waited_line(const SummaryFacts& facts) {
  if (facts.waits == 0) return "";
  return absl::StrCat("  waited     ", duration_text(static_cast<double>(facts.waited_ns)), " in ",
                      grouped(facts.waits), facts.waits == 1 ? " wait" : " waits",
                      " for room, not counted in the other times\n");
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
  return absl::StrCat(
      "  preempted  ", duration_text(static_cast<double>(facts.preempted_ns)),
      " in which other threads had the processor, not counted in the other times\n");
}

// Stands before each row of a table below a line of the summary.
constexpr char kIndent[] = "             ";

// Exchanges by method, host and outcome.
std::string http_table(const HttpTotals& http) {
  constexpr size_t kRowsShown = 5;
  constexpr int kNameWidth = 44;
  std::vector<const HttpTotals::Row*> rows = http.rows();
  if (rows.empty()) return "";
  std::string text = absl::StrFormat("%s%-*s %12s %9s %9s %9s\n", kIndent, kNameWidth,
                                     "method, host, outcome", "requests", "failed", "p50", "p99");
  auto time = [](uint64_t ns) { return duration_text(static_cast<double>(ns)); };
  for (size_t i = 0; i < std::min(rows.size(), kRowsShown); i++) {
    const HttpTotals::Row& row = *rows[i];
    std::string name = printable(
        absl::StrCat(row.server ? "served " : "", row.method, " ", row.host, " ", row.outcome));
    absl::StrAppendFormat(&text, "%s%-*s %12s %9s %9s %9s\n", kIndent, kNameWidth, name,
                          grouped(row.requests), grouped(row.failed),
                          time(row.durations.percentile(.5)), time(row.durations.percentile(.99)));
  }
  if (rows.size() > kRowsShown) {
    absl::StrAppend(&text, kIndent, "and ", grouped(rows.size() - kRowsShown),
                    " more: telrun --totals FILE writes all\n");
  }
  return text;
}

std::string failed_lines(const HttpTotals& http) {
  std::string text;
  uint64_t told = 0;
  for (const HttpTotals::Failure& failure : http.failures()) {
    absl::StrAppend(&text, kIndent, "failed: ", printable(failure.text));
    if (failure.times > 1) absl::StrAppend(&text, "  (", grouped(failure.times), " times)");
    text += '\n';
    told += failure.times;
  }
  if (told < http.failed()) {
    absl::StrAppend(&text, kIndent, "failed: ", grouped(http.failed() - told), " more\n");
  }
  return text;
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
                    " for responses, not counted as own time");
  }
  text += '\n';
  for (const HttpTotals::Path& path : http.slowest(kPathsShown)) {
    absl::StrAppend(&text, kIndent, duration_text(static_cast<double>(path.longest_ns)),
                    " at most  ", printable(path.name));
    if (path.requests > 1) absl::StrAppend(&text, "  (", grouped(path.requests), " times)");
    text += '\n';
  }
  return text + http_table(http) + failed_lines(http);
}

// Why HTTP may be missing.
std::string opaque_line(const HttpTotals& http) {
  if (http.opaque() == 0) return "";
  return absl::StrCat("  tls        ", grouped(http.opaque()),
                      http.opaque() == 1 ? " connection that was" : " connections that were",
                      " not decrypted: HTTP on them was missed. The TLS library is\n"
                      "             linked statically, or is neither OpenSSL nor GnuTLS\n");
}

// Where events went, one line each. What was written before, by another drain, is of the first.
std::string data_lines(const SummaryFacts& facts) {
  std::string text;
  uint64_t before = facts.bytes_before;
  for (const DestinationFacts& destination : facts.destinations) {
    std::string count = destination.outcome.empty() ? absl::StrCat(grouped(facts.events), " events")
                                                    : destination.outcome;
    absl::StrAppend(&text, text.empty() ? "  data       " : kIndent,
                    printable(destination.name, kMostOfALine / 2), ", ", count, ", ",
                    size_text(destination.bytes + std::exchange(before, 0)), "\n");
  }
  return text;
}

// The most frequent errors of a table, a line each. `named`: what they say begins with their type.
std::string error_lines(const char* label, const CountsByType& counts,
                        const ErrorTotals::First& firsts, bool named) {
  constexpr size_t kShown = 3;
  std::vector<std::pair<std::string, uint64_t>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text;
  for (size_t i = 0; i < std::min(rows.size(), kShown); i++) {
    const auto& [type, count] = rows[i];
    auto first = firsts.find(type);
    bool known = first != firsts.end() && !first->second.empty();
    std::string said = known ? first->second : type;
    if (known && !named) said = absl::StrCat(type, ": ", said);
    absl::StrAppend(&text, text.empty() ? label : kIndent, printable(said, kMostOfALine / 2));
    if (count > 1) {
      absl::StrAppend(&text, known ? "  (the first of " : "  (", grouped(count),
                      known ? ")" : " times)");
    }
    text += '\n';
  }
  if (rows.size() > kShown) {
    size_t more = rows.size() - kShown;
    absl::StrAppend(&text, kIndent, "and ", grouped(more), more == 1 ? " other\n" : " others\n");
  }
  return text;
}

std::string errors_lines(const ErrorTotals& errors) {
  return error_lines("  failed     ", errors.processes(), errors.first_processes(), true) +
         error_lines("  thrown     ", errors.exceptions(), errors.first_exceptions(), false);
}

// A command that shows what matters most in the file: errors, if there are any. "" if nothing that
// is installed can do it.
std::string next_command(const std::string& file, bool has_errors) {
  std::string reader = "cat";
  if (absl::EndsWith(file, ".zst")) reader = "zstdcat";
  if (absl::EndsWith(file, ".gz")) reader = "zcat";
  std::string from = absl::StrCat(reader, " ", shell_word(file), " | ");
  std::string to = reader == "cat" ? " " + shell_word(file) : "";
  if (reader == "cat") from = "";
  if (find_on_path("jq").empty()) {
    return has_errors ? absl::StrCat(from, "grep '\"error\":'", to, " | head") : "";
  }
  if (has_errors) {
    return absl::StrCat(from,
                        "jq -c 'select(.error) | [.function_name, .error.type, .error.message]'",
                        to, " | head");
  }
  return absl::StrCat(from, "jq -c 'select(.duration_ms > 1) | [.duration_ms, .function_name]'", to,
                      " | sort -t[ -k2 -rn | head");
}

}  // namespace

std::string summary_text(const SummaryFacts& facts, const Losses& losses,
                         const std::deque<FunctionTotals>& totals, const HttpTotals& http,
                         const ErrorTotals& errors) {
  uint64_t calls =
      facts.spans + std::accumulate(facts.filtered.begin(), facts.filtered.end(), uint64_t{0});
  if (calls == 0 && http.requests() > 0) {
    return absl::StrCat("telrun: ", grouped(http.requests()),
                        http.requests() == 1 ? " HTTP request" : " HTTP requests", " in ",
                        facts.processes, facts.processes == 1 ? " process" : " processes", "\n",
                        errors_lines(errors), http_lines(http, 0), opaque_line(http),
                        loss_lines(losses), untraced_lines(facts), waited_line(facts),
                        preempted_line(facts), kept_line(facts), data_lines(facts));
  }
  if (calls == 0) {
    return absl::StrCat("telrun: no function call was recorded\n", errors_lines(errors),
                        opaque_line(http), why_untraced(facts));
  }
  int64_t waited = 0;
  for (const FunctionTotals& function : totals) add_ns(&waited, function.http_ns);
  double pair = measure_pair_cost_ns();
  std::string text = absl::StrCat(
      "telrun: ", grouped(facts.spans), facts.spans == 1 ? " span" : " spans", " in ",
      facts.processes, facts.processes == 1 ? " process" : " processes", "\n", errors_lines(errors),
      filtered_line(facts), http_lines(http, waited), opaque_line(http), loss_lines(losses),
      untraced_lines(facts), waited_line(facts), preempted_line(facts), run_line(facts.run));
  absl::StrAppend(&text, "  overhead   about ", duration_text(pair * static_cast<double>(calls)),
                  absl::StrFormat(" of processor time (%.0f ns a call)\n", pair));
  absl::StrAppend(&text, kept_line(facts), data_lines(facts), totals_table(facts, totals));
  // Of what is not sampled no event is written.
  bool has_errors =
      facts.sample_rate == kRateOne && !(errors.processes().empty() && errors.exceptions().empty());
  if (!facts.file.empty()) {
    std::string command = next_command(facts.file, has_errors || http.failed() > 0);
    if (!command.empty()) absl::StrAppend(&text, "  next       ", command, "\n");
  } else if (std::any_of(facts.destinations.begin(), facts.destinations.end(),
                         [](const auto& destination) { return destination.outcome.empty(); })) {
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
