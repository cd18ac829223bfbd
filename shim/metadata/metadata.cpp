#include "shim/metadata/metadata.h"

#include <time.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "shim/metadata/cache.h"
#include "shim/metadata/container.h"

namespace telinject {

namespace {

using nlohmann::json;

// Both at once: a metadata service that is silent must not take the API's time, nor the other way
// round.
CachedFindings ask_both(const MetadataOptions& options, const Platform& platform,
                        const Kubernetes& known, net::Deadline deadline,
                        const std::atomic<bool>* cancelled) {
  CachedFindings findings;
  bool ask_api = options.kubernetes && platform.kubernetes && options.kubernetes_api;
  std::thread asking;
  if (ask_api) {
    asking = std::thread([&] {
      net::HttpClient http(deadline, cancelled);
      bool name_wanted = platform.eks && known.cluster_name.empty();
      findings.kubernetes =
          ask_kubernetes(options.around, platform.account, known, name_wanted, &http);
    });
  }
  if (options.cloud && platform.provider != Provider::kLocal) {
    net::HttpClient http(deadline, cancelled);
    findings.cloud = find_cloud(options.around, platform, &http);
  }
  if (asking.joinable()) asking.join();
  return findings;
}

}  // namespace

Metadata find_local_metadata(const MetadataOptions& options) {
  Metadata metadata;
  metadata.service = find_service(options.service_name, options.service_version,
                                  options.environment, options.around, options.directory);
  metadata.host = find_host(options.around);
  metadata.container_id = find_container_id(options.around);
  return metadata;
}

MetadataReport find_remote_metadata(const MetadataOptions& options, net::Deadline deadline,
                                    const std::atomic<bool>* cancelled,
                                    const std::function<void(const std::string&)>& warn,
                                    Metadata* metadata) {
  MetadataReport report;
  report.source = "local";
  if (!options.cloud && !options.kubernetes) return report;
  Platform platform = detect_platform(options.around);
  bool cloud = options.cloud && platform.provider != Provider::kLocal;
  bool kubernetes = options.kubernetes && platform.kubernetes;
  if (!cloud && !kubernetes) return report;

  Kubernetes known;
  if (kubernetes) {
    known = kubernetes_from_surroundings(options.around, platform.account, metadata->container_id);
  }
  Cache cache(options.cache_path,
              cache_key(options.around, platform, metadata->host.name, metadata->container_id,
                        cloud, kubernetes && options.kubernetes_api));
  std::string problem;
  CachedFindings findings;
  if (auto cached = cache.read(time(nullptr), &problem)) {
    findings = *cached;
    report.source = "cache";
  } else {
    if (!problem.empty()) warn(problem);
    findings = ask_both(options, platform, known, deadline, cancelled);
    report.source = "network";
    report.problems = findings.cloud.problems;
    report.problems.insert(report.problems.end(), findings.kubernetes.problems.begin(),
                           findings.kubernetes.problems.end());
    // What the node's object tells of its machine, where the metadata service did not.
    if (cloud) fill(&findings.cloud.cloud, findings.kubernetes.node);
    if (kubernetes) fill(&findings.kubernetes.pod.cluster_name, findings.cloud.cluster_name);
  }
  metadata->cloud = findings.cloud.cloud;
  metadata->host.public_ip = findings.cloud.public_ip;
  if (kubernetes) {
    metadata->kubernetes = findings.kubernetes.pod;
    // The user's own word for the cluster goes before all others.
    if (!known.cluster_name.empty()) metadata->kubernetes.cluster_name = known.cluster_name;
    fill(&metadata->kubernetes, known);
  }
  if (report.source == "network" && !cancelled->load()) {
    json host = {{"name", metadata->host.name}};
    if (!metadata->host.ip.empty()) host["ip"] = metadata->host.ip;
    if (!metadata->host.public_ip.empty()) host["public_ip"] = metadata->host.public_ip;
    json resource = {{"os_type", "linux"}, {"os_description", metadata->host.os_description}};
    std::string failed = cache.write(time(nullptr), findings, host, resource);
    if (!failed.empty()) report.problems.push_back(failed);
  }
  return report;
}

}  // namespace telinject
