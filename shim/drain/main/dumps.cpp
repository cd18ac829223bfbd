#include "shim/drain/main/dumps.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "shim/channel/clock.h"
#include "shim/channel/hello.h"
#include "shim/drain/base/figures.h"
#include "shim/drain/main/dump_command.h"

namespace telinject::drain {

namespace {

constexpr uint64_t kLookNs = 500000000;

std::atomic<bool> signalled{false};

void take_signal(int) {
  signalled.store(true, std::memory_order_relaxed);
}

// A connection that is answered once. Closed without an answer if nobody comes to it.
class Asker {
 public:
  // What was asked is only looked at so far. Unread, it would reset the connection when that is
  // closed, and the answer would be lost.
  explicit Asker(int connection) : connection_(connection) {
    Hello hello;
    [[maybe_unused]] ssize_t n = recv(connection, &hello, sizeof hello, MSG_DONTWAIT);
  }
  ~Asker() { close(connection_); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  void answer(DumpAnswer kind, const std::string& text) const {
    std::string message = absl::StrCat(std::string(1, static_cast<char>(kind)), text);
    send(connection_, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

 private:
  int connection_;
};

std::string why_nothing(Dumps::Of of) {
  return of == Dumps::Of::kRecording
             ? "its calls are recorded (TELEMETRY_RECORD); telinject convert makes events of them"
             : "no flight recorder is on: start it with telrun --flight-recorder=30s,64MB";
}

std::string text_of(const Notice::Dumped& dumped) {
  if (dumped.lost == 0)
    return absl::StrCat(grouped(dumped.events), " events written to ", dumped.where);
  return absl::StrCat("not all of ", grouped(dumped.events), " events could be written to ",
                      dumped.where, ": ", grouped(dumped.lost), " are lost");
}

}  // namespace

Dumps::Dumps(Of of) : of_(of) {
  struct sigaction action = {};
  action.sa_handler = of == Of::kFlightRecorder ? take_signal : SIG_IGN;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, nullptr);
}

void Dumps::asked(int connection) {
  auto asker = std::make_shared<Asker>(connection);
  if (of_ != Of::kFlightRecorder) return asker->answer(DumpAnswer::kNothing, why_nothing(of_));
  Notice& notice = waiting_.emplace_back(Notice::Kind::kDump);
  notice.answer = std::make_shared<const Notice::DumpAnswer>(
      [asker](const std::optional<Notice::Dumped>& dumped) {
        if (!dumped.has_value()) {
          return asker->answer(DumpAnswer::kNothing,
                               "telrun was interrupted, and what is left is recorded for "
                               "telinject convert");
        }
        asker->answer(dumped->lost == 0 ? DumpAnswer::kWritten : DumpAnswer::kLost,
                      text_of(*dumped));
      });
}

std::vector<Notice> Dumps::notices() {
  std::vector<Notice> notices = std::exchange(waiting_, {});
  if (signalled.exchange(false, std::memory_order_relaxed)) {
    notices.emplace_back(Notice::Kind::kDump);
  }
  bool keeps = of_ == Of::kFlightRecorder || of_ == Of::kTailSampling;
  uint64_t now = monotonic_ns();
  if (keeps && now >= next_look_ns_) {
    next_look_ns_ = now + kLookNs;
    notices.emplace_back(Notice::Kind::kIdle);
  }
  return notices;
}

}  // namespace telinject::drain
