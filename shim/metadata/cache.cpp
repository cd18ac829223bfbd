#include "shim/metadata/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kCacheBytes = 256 << 10;
constexpr int kFormat = 1;

std::string time_text(int64_t seconds) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(seconds),
                          absl::UTCTimeZone());
}

std::optional<int64_t> seconds_of(const std::string& text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return std::nullopt;
  return absl::ToUnixSeconds(time);
}

// Reads the file if it is a regular one that no other user can have written.
bool read_own_file(const std::string& path, std::string* text, std::string* problem) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == ELOOP)
      *problem = "is a symbolic link";
    else if (errno != ENOENT && errno != ENOTDIR)
      *problem = absl::StrCat("cannot be read: ", strerror(errno));
    return false;
  }
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    *problem = "is no regular file";
  } else if (status.st_uid != geteuid()) {
    *problem = "belongs to another user";
  } else if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    *problem = "can be written by others";
  } else if (status.st_size > static_cast<off_t>(kCacheBytes)) {
    *problem = "is too large";
  } else {
    text->resize(kCacheBytes);
    ssize_t n = pread(fd, text->data(), text->size(), 0);
    text->resize(n > 0 ? static_cast<size_t>(n) : 0);
  }
  close(fd);
  return problem->empty();
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    ssize_t n = write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

json cache_key(const Surroundings& around, const Platform& platform, const std::string& host,
               const std::string& container_id, bool cloud, bool kubernetes) {
  json key = {
      {"format", kFormat},
      {"version", TELINJECT_VERSION},
      {"boot_id", std::string(trimmed(around.file("/proc/sys/kernel/random/boot_id")))},
      {"host", host},
      {"container_id", container_id},
      {"pod", platform.account.pod_uid.empty() ? around.get("POD_UID") : platform.account.pod_uid},
      {"platform", platform.describe()},
      {"machine", platform.dmi_instance_id},
      {"cloud", cloud},
      {"kubernetes", kubernetes}};
  // Other addresses, other answers.
  for (const char* name :
       {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "AWS_EC2_METADATA_DISABLED", "GCE_METADATA_HOST", "GCE_METADATA_IP",
        "ECS_CONTAINER_METADATA_URI_V4", "AWS_LAMBDA_LOG_STREAM_NAME",
        "TELEMETRY_AZURE_METADATA_ENDPOINT", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT",
        "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "POD_NAME", "CONTAINER_NAME"}) {
    if (around.has(name)) key["endpoints"][name] = around.get(name);
  }
  return key;
}

std::optional<CachedFindings> Cache::read(int64_t now_seconds, std::string* problem) const {
  if (path_.empty()) return std::nullopt;
  std::string text, why;
  auto refuse = [&](const std::string& reason) -> std::optional<CachedFindings> {
    *problem =
        absl::StrCat("the metadata cache ", path_, " ", reason, "; it is ignored and written anew");
    return std::nullopt;
  };
  if (!read_own_file(path_, &text, &why)) {
    if (!why.empty()) return refuse(why);
    return std::nullopt;
  }
  json document = parse_document(text);
  std::optional<int64_t> cached_at = seconds_of(text_at(document, {"cached_at"}));
  const json& key = value_at(document, {"key"});
  const json& complete = value_at(document, {"complete"});
  if (document.is_discarded() || !cached_at.has_value() || !key.is_object() ||
      !complete.is_boolean()) {
    return refuse("is no cache of ours");
  }
  int64_t age = now_seconds - *cached_at;
  bool whole = complete.get<bool>();
  // The entry of another boot, machine, container or time is no problem.
  if (key != key_ || age < 0 || age > (whole ? kCacheSeconds : kIncompleteSeconds))
    return std::nullopt;
  std::optional<Cloud> cloud = cloud_from_json(value_at(document, {"cloud"}));
  if (!cloud.has_value()) return refuse("is no cache of ours");
  CachedFindings findings;
  findings.cloud.cloud = *cloud;
  findings.cloud.complete = whole;
  std::string address = text_at(document, {"host", "public_ip"});
  if (is_address(address)) findings.cloud.public_ip = address;
  findings.kubernetes.pod = kubernetes_from_json(value_at(document, {"k8s"}));
  return findings;
}

std::string Cache::write(int64_t now_seconds, const CachedFindings& findings, const json& host,
                         const json& resource) const {
  if (path_.empty()) return {};
  ordered_json document = {{"cloud", to_json(findings.cloud.cloud)},
                           {"host", host},
                           {"k8s", to_json(findings.kubernetes.pod)},
                           {"resource", resource},
                           {"cached_at", time_text(now_seconds)},
                           {"key", key_},
                           {"complete", findings.cloud.complete && findings.kubernetes.complete}};
  std::string text = document.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  std::string temporary = path_ + ".XXXXXX";
  auto fail = [&] {
    return absl::StrCat("the metadata cache ", path_, " cannot be written: ", strerror(errno));
  };
  // mkostemp makes a new file of mode 0600, and follows no link.
  int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return fail();
  std::string problem;
  if (!write_all(fd, text)) problem = fail();
  close(fd);
  // A rename replaces a symbolic link, not what it points to.
  if (problem.empty() && rename(temporary.c_str(), path_.c_str()) != 0) problem = fail();
  if (!problem.empty()) unlink(temporary.c_str());
  return problem;
}

}  // namespace telinject
