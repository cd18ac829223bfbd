// How many spans a second one core encodes: plain calls of 500 functions, as OTLP in requests of
// 4,096 spans, plain and compressed, beside lines of JSON. Processor time of this thread.
//
//     encode_spans SPANS          prints a line of JSON for each kind
#include <malloc.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "shim/events/json/json_lines.h"
#include "shim/events/otlp/otlp_output.h"

namespace {

using namespace telinject;

double seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

enum class Pack { kNone, kGzip, kZstd };

struct Sizes {
  uint64_t plain = 0, packed = 0;
};

// A request's body is made, and packed, as it would be sent.
class Packer {
 public:
  Packer(Pack pack, Sizes* sizes) : pack_(pack), sizes_(sizes) {}
  ~Packer() { ZSTD_freeCCtx(zstd_); }
  void pack(std::string_view body) {
    sizes_->plain += body.size();
    if (pack_ == Pack::kGzip) {
      out_.resize(compressBound(body.size()));
      uLongf size = out_.size();
      compress2(reinterpret_cast<Bytef*>(out_.data()), &size,
                reinterpret_cast<const Bytef*>(body.data()), body.size(), 1);
      sizes_->packed += size;
    } else if (pack_ == Pack::kZstd) {
      out_.resize(ZSTD_compressBound(body.size()));
      sizes_->packed +=
          ZSTD_compressCCtx(zstd_, out_.data(), out_.size(), body.data(), body.size(), 1);
    } else {
      sizes_->packed += body.size();
    }
  }

 private:
  Pack pack_;
  Sizes* sizes_;
  ZSTD_CCtx* zstd_ = ZSTD_createCCtx();
  std::string out_;
};

class Requests final : public otlp::Stream {
 public:
  Requests(Pack pack, Sizes* sizes) : packer_(pack, sizes) {}
  void add(const std::shared_ptr<const delivery::Framing>& framing, std::string_view item,
           TraceId trace, uint32_t group) override {
    constexpr size_t kItems = 4096, kBytes = 2 << 20;
    batch_.framing = framing;
    batch_.add(item, trace, group);
    if (batch_.size() == kItems || batch_.encoded.size() >= kBytes) pass_on();
  }
  void pass_on() override {
    if (batch_.size() == 0) return;
    std::string body;
    batch_.framing->append_body(batch_, 0, batch_.size(), &body);
    packer_.pack(body);
    batch_ = {};
  }
  void flush() override { pass_on(); }
  void hurry() override {}
  uint64_t take_lost() override { return 0; }
  bool hopeless() const override { return false; }
  std::string describe() const override { return "nowhere"; }
  std::string outcome() const override { return ""; }
  uint64_t bytes() const override { return 0; }

 private:
  Packer packer_;
  delivery::Batch batch_;
};

class Lines final : public Sink {
 public:
  Lines(Pack pack, Sizes* sizes) : packer_(pack, sizes) {}
  uint64_t write(std::string_view lines) override {
    packer_.pack(lines);
    return 0;
  }
  std::string describe() const override { return "nowhere"; }

 private:
  Packer packer_;
};

std::vector<FunctionInfo> make_functions() {
  std::vector<FunctionInfo> functions(500);
  for (uint32_t i = 0; i < functions.size(); i++) {
    FunctionInfo& f = functions[i];
    f.number = i;
    f.name = "sqlite3BtreeCursorFunction" + std::to_string(i);
    f.parameters = "pCur, pKey, loc, flags";
    f.caller = "sqlite3VdbeExec";
    f.caller_file = f.file = "/home/me/build/sources/sqlite3/sqlite3.c";
    f.caller_line = 70000 + i;
    f.line = 60000 + i;
    f.module = "sqlite3";
  }
  return functions;
}

void measure(const char* name, EventOutput* output, const Sizes* sizes, uint64_t spans) {
  static const std::vector<FunctionInfo> kFunctions = make_functions();
  ProcessInfo process;
  process.sample_rate = 1000000000;
  ThreadInfo thread = {1, 28717, "sqlite3"};
  Metadata metadata;
  output->introduce(process, metadata, 1, nullptr);
  uint64_t random = 88172645463325252;
  double start = seconds();
  for (uint64_t i = 0; i < spans; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    int64_t ns = 1795912120398995865 + static_cast<int64_t>(i * 731);
    SpanStart begin;
    begin.place = {2 * i + 1, ns, {17, 18}, random | 1, 42};
    begin.process = &process;
    begin.thread = &thread;
    begin.function = &kFunctions[random % kFunctions.size()];
    output->start(begin);
    SpanEnd end;
    end.duration_ns = static_cast<int64_t>(random & 0xffff);
    end.place = {2 * i + 2, ns + end.duration_ns, {17, 18}, random | 1, 42};
    end.process = &process;
    end.thread = &thread;
    end.function = begin.function;
    end.start_ns = ns;
    output->end(end);
  }
  output->flush();
  double took = seconds() - start;
  auto each = [&](uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(spans);
  };
  if (*name == 0) return;
  std::printf("{\"kind\":\"%s\",\"spans_per_second\":%.0f,\"bytes\":%.1f,\"packed\":%.1f}\n", name,
              static_cast<double>(spans) / took, each(sizes->plain), each(sizes->packed));
}

void measure_otlp(const char* name, Pack pack, otlp::SpanBudget::Limits budget, bool lean,
                  uint64_t spans) {
  Sizes sizes;
  otlp::OtlpOutput::Options options;
  options.traces = std::make_unique<Requests>(pack, &sizes);
  options.budget = budget;
  options.lean = lean;
  otlp::OtlpOutput output(std::move(options));
  measure(name, &output, &sizes, spans);
}

void measure_json(const char* name, Pack pack, uint64_t spans) {
  Sizes sizes;
  JsonLines output(std::make_unique<Lines>(pack, &sizes), {false, {.most = 1}});
  measure(name, &output, &sizes, spans);
}

}  // namespace

int main(int argc, char** argv) {
  // As the drain has it: batches are large and short-lived.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
  uint64_t spans = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  constexpr otlp::SpanBudget::Limits kAll = {0, 0};
  measure_otlp("", Pack::kNone, kAll, false, spans / 10);  // to be warm
  measure_otlp("OTLP", Pack::kNone, kAll, false, spans);
  measure_otlp("OTLP, lean", Pack::kNone, kAll, true, spans);
  measure_otlp("OTLP, gzip", Pack::kGzip, kAll, false, spans);
  measure_otlp("OTLP, zstd", Pack::kZstd, kAll, false, spans);
  measure_otlp("OTLP, chosen by the budget", Pack::kNone, {10000, 2000}, false, spans);
  measure_json("JSON lines", Pack::kNone, spans / 2);
  measure_json("JSON lines, gzip", Pack::kGzip, spans / 4);
  measure_json("JSON lines, zstd", Pack::kZstd, spans / 2);
}
