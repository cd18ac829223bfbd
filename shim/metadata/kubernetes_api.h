// Asks the cluster's API server, with the pod's own service account.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/metadata/kubernetes.h"

namespace telinject {

struct KubernetesFindings {
  Kubernetes pod;
  Cloud node;  // from the node's object: its machine
  std::vector<std::string> problems;
  bool complete = true;  // false: no answer; asking again may help. A refusal is an answer.
};

// Over TLS, the server's certificate checked against the cluster's. `known` says which pod it is.
// Each question may be refused (RBAC); its fields are then missing.
KubernetesFindings ask_kubernetes(const Surroundings& around, const ServiceAccount& account,
                                  const Kubernetes& known, bool ask_for_eks_cluster,
                                  net::HttpClient* http);

// Parse documents of the API; false if a document is malformed.

// A Pod. Our container is found by its id, else by its name, else it must be the only one.
bool read_pod(std::string_view text, const std::string& container_id,
              const std::string& container_name, Kubernetes* pod);
// A ReplicaSet: the Deployment that owns it.
bool read_replicaset(std::string_view text, Kubernetes* pod);
bool read_namespace(std::string_view text, Kubernetes* pod);
// A ServiceList: takes the services that select the pod.
bool read_services(std::string_view text, const TextMap& pod_labels, Kubernetes* pod);
bool read_node(std::string_view text, Cloud* cloud);

// The Deployment of a ReplicaSet "shop-7d4c8f9b" whose pods are labelled
// pod-template-hash=7d4c8f9b.
std::string deployment_of_replicaset(const std::string& replicaset, const TextMap& pod_labels);

}  // namespace telinject
