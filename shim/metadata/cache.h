// ~/.telemetry_metadata.json: what metadata services answered, so that the next program need not
// ask.
//
//   { "cloud": {...}, "host": {...}, "k8s": {...}, "resource": {...}, "cached_at":
//   "2026-11-21T12:00:00Z",
//     "key": {...}, "complete": true }
//
// The first four are as in the events; `key` says where that was true. A file is used if its key is
// that of this very machine, boot and container (an image that was copied must not lie), if it is
// ours alone, and if it is not too old: a day, or five minutes if some question was not answered.
// What the environment tells is not taken from here, but read anew. Deleting the file refreshes it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "shim/metadata/cloud.h"
#include "shim/metadata/kubernetes_api.h"

namespace telinject {

inline constexpr int64_t kCacheSeconds = 24 * 3600;
inline constexpr int64_t kIncompleteSeconds = 5 * 60;

// The content of the cache.
struct CachedFindings {
  CloudFindings cloud;
  KubernetesFindings kubernetes;
};

class Cache {
 public:
  // An empty path: no cache. `key` is compared as a whole.
  Cache(std::string path, nlohmann::json key) : path_(std::move(path)), key_(std::move(key)) {}

  // Nullopt if there is no usable file; *problem is set unless it is absent, outdated or of another
  // machine.
  std::optional<CachedFindings> read(int64_t now_seconds, std::string* problem) const;
  // Replaces the file atomically. Returns "" or what went wrong. `host` and `resource` are
  // kept for people to read.
  std::string write(int64_t now_seconds, const CachedFindings& findings, const nlohmann::json& host,
                    const nlohmann::json& resource) const;

 private:
  std::string path_;
  nlohmann::json key_;
};

// The key of this machine, boot, container and question.
nlohmann::json cache_key(const Surroundings& around, const Platform& platform,
                         const std::string& host, const std::string& container_id, bool cloud,
                         bool kubernetes);

}  // namespace telinject
