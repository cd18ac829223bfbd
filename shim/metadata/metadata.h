// All metadata: where the program runs.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "shim/metadata/cloud.h"
#include "shim/metadata/host.h"
#include "shim/metadata/kubernetes.h"
#include "shim/metadata/service.h"
#include "shim/metadata/surroundings.h"
#include "shim/net/http_client.h"

namespace telinject {

struct Metadata {
  Service service;
  Host host;
  Cloud cloud;
  Kubernetes kubernetes;     // empty outside
  std::string container_id;  // "" outside of containers; an event has it in `k8s` only
};

struct MetadataOptions {
  std::string service_name, service_version, environment;  // as set, "" if not
  std::string directory;                                   // the program's
  Surroundings around;
  bool cloud = false, kubernetes = false;
  bool kubernetes_api = true;
  std::string cache_path;  // "": none
  std::chrono::milliseconds limit{2000};
};

// The course of the search.
struct MetadataReport {
  std::string source;  // "cache", "network", "local"
  std::vector<std::string> problems;
};

// Searches without network: everything but `cloud`, `kubernetes` and the public address.
Metadata find_local_metadata(const MetadataOptions& options);

// Finds the rest by the deadline. `warn` receives lines that the user should always see.
MetadataReport find_remote_metadata(const MetadataOptions& options, net::Deadline deadline,
                                    const std::atomic<bool>* cancelled,
                                    const std::function<void(const std::string&)>& warn,
                                    Metadata* metadata);

}  // namespace telinject
