#include "shim/metadata/kubernetes_api.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shim/metadata/documents.h"

namespace telinject {

namespace {

using nlohmann::json;

constexpr size_t kObjectBytes = 1 << 20;
constexpr size_t kListBytes = 4 << 20;

std::string api_of(const Surroundings& around) {
  std::string host = around.get("KUBERNETES_SERVICE_HOST");
  std::string port = around.first("KUBERNETES_SERVICE_PORT_HTTPS", "KUBERNETES_SERVICE_PORT");
  if (host.empty()) host = "kubernetes.default.svc";
  if (absl::StrContains(host, ':') && host.front() != '[') host = absl::StrCat("[", host, "]");
  return absl::StrCat("https://", host, ":", port.empty() ? "443" : port);
}

// Names become parts of a URL.
bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

std::string owner(const json& object, std::string_view kind) {
  const json& owners = value_at(object, {"metadata", "ownerReferences"});
  if (!owners.is_array()) return {};
  for (const json& one : owners) {
    if (text_at(one, {"kind"}) == kind) return text_at(one, {"name"});
  }
  return {};
}

// "containerd://<id>" -> "<id>"
std::string bare_id(const std::string& id) {
  size_t at = id.find("://");
  return at == std::string::npos ? id : id.substr(at + 3);
}

struct OwnContainer {
  std::string name, id;
};

OwnContainer own_container(const json& pod, const std::string& id, const std::string& name) {
  OwnContainer only;
  const json& statuses = value_at(pod, {"status", "containerStatuses"});
  if (statuses.is_array()) {
    for (const json& status : statuses) {
      OwnContainer one = {text_at(status, {"name"}), bare_id(text_at(status, {"containerID"}))};
      if ((!id.empty() && one.id == id) || (id.empty() && one.name == name)) return one;
      if (statuses.size() == 1) only = one;
    }
  }
  return {name.empty() ? only.name : name, id.empty() && name.empty() ? only.id : id};
}

void read_resources(const json& container, Kubernetes* pod) {
  auto read = [&](const char* what, const char* of) {
    return text_at(container, {"resources", what, of});
  };
  pod->cpu_request = read("requests", "cpu");
  pod->cpu_limit = read("limits", "cpu");
  pod->memory_request = read("requests", "memory");
  pod->memory_limit = read("limits", "memory");
}

}  // namespace

bool read_pod(std::string_view text, const std::string& container_id,
              const std::string& container_name, Kubernetes* pod) {
  json document = parse_document(text);
  std::string name = text_at(document, {"metadata", "name"});
  if (name.empty() || text_at(document, {"kind"}) != "Pod") return false;
  pod->pod_name = name;
  pod->namespace_name = text_at(document, {"metadata", "namespace"});
  pod->pod_uid = text_at(document, {"metadata", "uid"});
  pod->pod_labels = text_map(value_at(document, {"metadata", "labels"}));
  pod->pod_annotations = text_map(value_at(document, {"metadata", "annotations"}));
  pod->node_name = text_at(document, {"spec", "nodeName"});
  pod->service_account_name = text_at(document, {"spec", "serviceAccountName"});
  pod->pod_phase = text_at(document, {"status", "phase"});
  pod->pod_ip = text_at(document, {"status", "podIP"});
  pod->host_ip = text_at(document, {"status", "hostIP"});
  pod->replicaset_name = owner(document, "ReplicaSet");
  pod->deployment_name = deployment_of_replicaset(pod->replicaset_name, pod->pod_labels);
  OwnContainer own = own_container(document, container_id, container_name);
  pod->container_name = own.name;
  pod->container_id = own.id;
  const json& containers = value_at(document, {"spec", "containers"});
  if (containers.is_array()) {
    for (const json& container : containers) {
      if (text_at(container, {"name"}) == own.name) read_resources(container, pod);
    }
  }
  drop_nonsense(pod);
  return true;
}

std::string deployment_of_replicaset(const std::string& replicaset, const TextMap& pod_labels) {
  auto hash = pod_labels.find("pod-template-hash");
  if (hash == pod_labels.end() || hash->second.empty()) return {};
  std::string ending = "-" + hash->second;
  if (replicaset.size() <= ending.size() || !absl::EndsWith(replicaset, ending)) return {};
  return replicaset.substr(0, replicaset.size() - ending.size());
}

bool read_replicaset(std::string_view text, Kubernetes* pod) {
  json document = parse_document(text);
  if (text_at(document, {"kind"}) != "ReplicaSet") return false;
  // "" for a ReplicaSet that was made by hand.
  pod->deployment_name = owner(document, "Deployment");
  return true;
}

bool read_namespace(std::string_view text, Kubernetes* pod) {
  json document = parse_document(text);
  if (text_at(document, {"kind"}) != "Namespace") return false;
  pod->namespace_labels = text_map(value_at(document, {"metadata", "labels"}));
  return true;
}

bool read_services(std::string_view text, const TextMap& pod_labels, Kubernetes* pod) {
  json document = parse_document(text);
  const json& items = value_at(document, {"items"});
  if (!items.is_array()) return false;
  for (const json& item : items) {
    const json& selector = value_at(item, {"spec", "selector"});
    std::string name = text_at(item, {"metadata", "name"});
    if (!selector.is_object() || selector.empty() || name.empty()) continue;
    bool selects = true;
    for (const auto& [key, value] : selector.items()) {
      auto label = pod_labels.find(key);
      selects = selects && value.is_string() && label != pod_labels.end() &&
                label->second == value.get_ref<const std::string&>();
    }
    if (selects) pod->services.push_back(name);
  }
  std::sort(pod->services.begin(), pod->services.end());
  pod->services.erase(std::unique(pod->services.begin(), pod->services.end()), pod->services.end());
  return true;
}

bool read_node(std::string_view text, Cloud* cloud) {
  json document = parse_document(text);
  if (text_at(document, {"kind"}) != "Node") return false;
  const json& labels = value_at(document, {"metadata", "labels"});
  cloud->region = text_at(labels, {"topology.kubernetes.io/region"});
  cloud->availability_zone = text_at(labels, {"topology.kubernetes.io/zone"});
  cloud->machine_type = text_at(labels, {"node.kubernetes.io/instance-type"});
  cloud->image_id = text_at(labels, {"eks.amazonaws.com/nodegroup-image"});
  // aws:///us-west-2b/i-0abc, gce://project/zone/name, azure:///subscriptions/ID/...
  std::string id = text_at(document, {"spec", "providerID"});
  std::vector<std::string> parts = absl::StrSplit(id, '/');
  if (absl::StartsWith(id, "aws:///") && absl::StartsWith(parts.back(), "i-"))
    cloud->instance_id = parts.back();
  if (absl::StartsWith(id, "gce://") && parts.size() >= 5) cloud->account_id = parts[2];
  if (absl::StartsWith(id, "azure:///subscriptions/") && parts.size() >= 5)
    cloud->account_id = parts[4];
  return true;
}

KubernetesFindings ask_kubernetes(const Surroundings& around, const ServiceAccount& account,
                                  const Kubernetes& known, bool ask_for_eks_cluster,
                                  net::HttpClient* http) {
  KubernetesFindings findings;
  Kubernetes& pod = findings.pod;
  if (account.token.empty() || account.ca_file.empty()) {
    findings.problems.push_back(
        "the Kubernetes API is not asked: no service account token and CA are mounted");
    return findings;
  }
  if (!is_name(known.namespace_name) || !is_name(known.pod_name)) {
    findings.problems.push_back(
        "the Kubernetes API is not asked: the pod's name is not known; set POD_NAME");
    return findings;
  }
  std::string base = api_of(around),
              core = absl::StrCat(base, "/api/v1/namespaces/", known.namespace_name);
  auto request = [&](const std::string& url, size_t limit = kObjectBytes) {
    net::HttpRequest made = {
        url, {"Authorization: Bearer " + account.token, "Accept: application/json"}};
    made.ca_file = account.ca_file;
    made.max_bytes = limit;
    return made;
  };
  auto note = [&](const net::HttpResponse& answer) {
    findings.problems.push_back(answer.problem);
    bool refused = answer.status == 401 || answer.status == 403 || answer.status == 404;
    findings.complete = findings.complete && refused;
  };
  auto garbage = [&](const char* what) {
    findings.problems.push_back(absl::StrCat("the Kubernetes API's ", what, " makes no sense"));
    findings.complete = false;
  };

  std::vector<net::HttpRequest> first = {request(core + "/pods/" + known.pod_name), request(core),
                                         request(core + "/services?limit=500", kListBytes)};
  if (ask_for_eks_cluster) {
    // Where Container Insights is installed; the API itself does not know what its cluster is
    // called.
    first.push_back(request(base + "/api/v1/namespaces/amazon-cloudwatch/configmaps/cluster-info"));
  }
  std::vector<net::HttpResponse> answers = http->send_all(first);
  if (!answers[0].ok()) {
    note(answers[0]);
  } else if (!read_pod(answers[0].body, known.container_id, known.container_name, &pod)) {
    garbage("pod");
  }
  if (!answers[1].ok()) {
    note(answers[1]);
  } else if (!read_namespace(answers[1].body, &pod)) {
    garbage("namespace");
  }
  if (!answers[2].ok()) {
    note(answers[2]);
  } else if (!read_services(answers[2].body,
                            pod.pod_labels.empty() ? known.pod_labels : pod.pod_labels, &pod)) {
    garbage("list of services");
  }
  if (ask_for_eks_cluster && answers[3].ok()) {
    pod.cluster_name = text_at(parse_document(answers[3].body), {"data", "cluster.name"});
  }

  std::vector<net::HttpRequest> second;
  bool ask_replicaset = is_name(pod.replicaset_name);
  std::string node_name = pod.node_name.empty() ? known.node_name : pod.node_name;
  bool ask_node = is_name(node_name);
  if (ask_replicaset) {
    second.push_back(request(absl::StrCat(base, "/apis/apps/v1/namespaces/", known.namespace_name,
                                          "/replicasets/", pod.replicaset_name)));
  }
  if (ask_node) second.push_back(request(absl::StrCat(base, "/api/v1/nodes/", node_name)));
  if (second.empty()) return findings;
  answers = http->send_all(second);
  size_t next = 0;
  if (ask_replicaset) {
    const net::HttpResponse& answer = answers[next++];
    if (!answer.ok()) {
      note(answer);  // its name without the hash is the deployment's, as far as that is known
    } else if (!read_replicaset(answer.body, &pod)) {
      garbage("replica set");
    }
  }
  // Few pods may look at their node: that is no problem worth a word.
  if (ask_node && answers[next].ok()) read_node(answers[next].body, &findings.node);
  return findings;
}

}  // namespace telinject
