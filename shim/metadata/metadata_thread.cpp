#include "shim/metadata/metadata_thread.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace telinject {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Beyond the limit, for what is under way to see that it is over.
constexpr milliseconds kGrace{200};

std::string describe(const Metadata& metadata, const MetadataReport& report, double ms) {
  const Cloud& cloud = metadata.cloud;
  return absl::StrCat("metadata: ", cloud.provider, cloud.platform.empty() ? "" : "/",
                      cloud.platform, " by ", cloud.metadata_source,
                      metadata.kubernetes.empty() ? "" : ", Kubernetes", "; from ", report.source,
                      " in ", absl::StrFormat("%.3f", ms), " ms",
                      report.problems.empty() ? "" : "; ", absl::StrJoin(report.problems, "; "));
}

}  // namespace

struct MetadataThread::State {
  MetadataOptions options;
  Say warn, debug;
  std::atomic<bool> cancelled{false};
  mutable std::mutex mutex;
  std::condition_variable changed;
  Metadata metadata;
  bool quick_done = false;
  bool done = false;
  net::Deadline deadline;

  // Uses no file, so it is done in time even if the thread is late. Not called before the first
  // event, because most programs make none.
  void find_quickly() {
    std::lock_guard lock(mutex);
    if (quick_done) return;
    quick_done = true;
    metadata.service = quick_service(options.service_name, options.service_version,
                                     options.environment, options.around, options.directory);
    metadata.host = find_host(options.around);
  }

  // What files tell is read here and now; the network is not asked.
  void do_without_thread(const std::string& why) {
    Metadata found = find_local_metadata(options);
    {
      std::lock_guard lock(mutex);
      metadata = std::move(found);
      done = true;
    }
    debug(absl::StrCat("metadata: cannot start a thread (", why,
                       "): cloud and Kubernetes metadata are left out"));
  }

  void run() {
    auto start = steady_clock::now();
    Metadata found = find_local_metadata(options);
    {
      std::lock_guard lock(mutex);
      metadata = found;
    }
    MetadataReport report = find_remote_metadata(options, deadline, &cancelled, warn, &found);
    std::chrono::duration<double, std::milli> took = steady_clock::now() - start;
    debug(describe(found, report, took.count()));
    {
      std::lock_guard lock(mutex);
      metadata = std::move(found);
      done = true;
    }
    changed.notify_all();
  }
};

MetadataThread::MetadataThread(MetadataOptions options, Say warn, Say debug)
    : state_(std::make_shared<State>()) {
  state_->options = std::move(options);
  state_->warn = std::move(warn);
  state_->debug = std::move(debug);
}

MetadataThread::~MetadataThread() {
  finished();
}

bool MetadataThread::finished() {
  if (!started_) return true;
  state_->cancelled.store(true);
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, kGrace, [this] { return state_->done; });
}

void MetadataThread::start() {
  if (started_) return;
  started_ = true;
  state_->find_quickly();
  state_->deadline = steady_clock::now() + state_->options.limit;
  try {
    std::thread([state = state_] { state->run(); }).detach();
  } catch (const std::system_error& error) {
    state_->do_without_thread(error.code().message());
  }
}

bool MetadataThread::wait(milliseconds patience) {
  std::unique_lock lock(state_->mutex);
  net::Deadline until = std::min(steady_clock::now() + patience, state_->deadline + kGrace);
  state_->changed.wait_until(lock, until, [this] { return state_->done; });
  return state_->done || steady_clock::now() >= state_->deadline + kGrace;
}

Metadata MetadataThread::current() const {
  state_->find_quickly();
  std::lock_guard lock(state_->mutex);
  return state_->metadata;
}

}  // namespace telinject
