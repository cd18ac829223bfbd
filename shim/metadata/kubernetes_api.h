// Asking the API server of the cluster, with the pod's own service account.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shim/metadata/kubernetes.h"

namespace telinject {

struct KubernetesFindings {
  Kubernetes pod;
  Cloud node;  // what the node's object tells of its machine
  std::vector<std::string> problems;
  bool complete =
      true;  // false: no answer, which may be otherwise next time. A refusal is an answer.
};

// Over TLS, the server's certificate checked against the cluster's. `known` says which pod it is.
// Each question may be refused (RBAC): what it would have told is then missing.
KubernetesFindings ask_kubernetes(const Surroundings& around, const ServiceAccount& account,
                                  const Kubernetes& known, bool ask_for_eks_cluster,
                                  net::HttpClient* http);

// Documents of the API; false if they are not what they should be.

// A Pod. Which container is ours is told by its id, else by its name, else it is the only one.
bool read_pod(std::string_view text, const std::string& container_id,
              const std::string& container_name, Kubernetes* pod);
// A ReplicaSet: the Deployment that owns it.
bool read_replicaset(std::string_view text, Kubernetes* pod);
bool read_namespace(std::string_view text, Kubernetes* pod);
// A ServiceList: those that select the pod.
bool read_services(std::string_view text, const TextMap& pod_labels, Kubernetes* pod);
bool read_node(std::string_view text, Cloud* cloud);

// The Deployment of a ReplicaSet "shop-7d4c8f9b" whose pods are labelled
// pod-template-hash=7d4c8f9b.
std::string deployment_of_replicaset(const std::string& replicaset, const TextMap& pod_labels);

}  // namespace telinject
