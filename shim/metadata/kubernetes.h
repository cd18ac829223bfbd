// The pod that the program runs in: the event's `k8s` member. v3, section 10, and the additional
// members of v2.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "shim/metadata/cloud.h"
#include "shim/metadata/service_account.h"
#include "shim/metadata/surroundings.h"
#include "shim/net/http_client.h"

namespace telinject {

// Every event carries these: at most so many bytes of labels, and of annotations.
inline constexpr size_t kMaxMapBytes = 4096;

using TextMap = std::map<std::string, std::string>;

// "" and empty: not known.
struct Kubernetes {
  std::string cluster_name, namespace_name, pod_name, pod_uid, pod_phase, pod_ip, host_ip;
  std::string container_name, container_id, node_name, deployment_name, replicaset_name;
  std::string service_account_name;
  std::string cpu_request, cpu_limit, memory_request, memory_limit;
  TextMap namespace_labels, pod_labels, pod_annotations;
  std::vector<std::string> services;

  bool empty() const;
};

// Sets the fields that are not set yet.
void fill(Kubernetes* pod, const Kubernetes& from);

// Clears values that the schema does not allow: an unknown phase, an invalid address, ...
void drop_nonsense(Kubernetes* pod);

// As `k8s` in an event; an empty object if nothing is known. And back, for the cache.
nlohmann::ordered_json to_json(const Kubernetes& pod);
Kubernetes kubernetes_from_json(const nlohmann::json& document);

// Found without asking a server: the downward API's variables, the service account's files, the
// mounts, and variables that a user sets (K8S_CLUSTER_NAME).
Kubernetes kubernetes_from_surroundings(const Surroundings& around, const ServiceAccount& account,
                                        const std::string& container_id);

// Values in the form of the schema.
bool is_quantity(std::string_view text);
// Strings of a JSON object; secret-looking names, what kubectl keeps for itself and values that are
// longer than kMaxValueBytes are left out, and all beyond kMaxMapBytes.
TextMap text_map(const nlohmann::json& object);

}  // namespace telinject
