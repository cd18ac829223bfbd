#include "shim/metadata/kubernetes.h"

#include <algorithm>

#include "shim/metadata/container.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"
#include "shim/redaction/names.h"
#include "shim/redaction/redactor.h"

namespace telinject {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct TextField {
  const char* key;
  std::string Kubernetes::*field;
};
constexpr TextField kTextFields[] = {
    {"cluster_name", &Kubernetes::cluster_name},
    {"namespace_name", &Kubernetes::namespace_name},
    {"pod_name", &Kubernetes::pod_name},
    {"pod_uid", &Kubernetes::pod_uid},
    {"pod_phase", &Kubernetes::pod_phase},
    {"pod_ip", &Kubernetes::pod_ip},
    {"host_ip", &Kubernetes::host_ip},
    {"container_name", &Kubernetes::container_name},
    {"container_id", &Kubernetes::container_id},
    {"node_name", &Kubernetes::node_name},
    {"deployment_name", &Kubernetes::deployment_name},
    {"replicaset_name", &Kubernetes::replicaset_name},
    {"service_account_name", &Kubernetes::service_account_name},
    {"cpu_request", &Kubernetes::cpu_request},
    {"cpu_limit", &Kubernetes::cpu_limit},
    {"memory_request", &Kubernetes::memory_request},
    {"memory_limit", &Kubernetes::memory_limit},
};

struct MapField {
  const char* key;
  TextMap Kubernetes::*field;
};
constexpr MapField kMapFields[] = {
    {"namespace_labels", &Kubernetes::namespace_labels},
    {"pod_labels", &Kubernetes::pod_labels},
    {"pod_annotations", &Kubernetes::pod_annotations},
};

// What kubectl apply keeps there repeats the whole pod, with the values of its variables.
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

bool is_uid(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
}

bool is_phase(const std::string& text) {
  constexpr std::string_view kPhases[] = {"Pending", "Running", "Succeeded", "Failed", "Unknown"};
  return std::find(std::begin(kPhases), std::end(kPhases), text) != std::end(kPhases);
}

}  // namespace

bool is_quantity(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789";
  auto digits = [&] {
    size_t n = std::min(text.find_first_not_of(kDigits), text.size());
    text.remove_prefix(n);
    return n != 0;
  };
  if (!digits()) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!digits()) return false;
  }
  if (text.empty()) return true;
  if ((text[0] == 'e' || text[0] == 'E') && text.size() > 1) {
    text.remove_prefix(1);
    if (text[0] == '+' || text[0] == '-') text.remove_prefix(1);
    return digits() && text.empty();
  }
  bool binary = text.size() == 2 && text[1] == 'i';
  return (binary || text.size() == 1) &&
         std::string_view(binary ? "KMGTPE" : "numkMGTPE").find(text[0]) != std::string_view::npos;
}

TextMap text_map(const json& object) {
  TextMap map;
  redaction::Redactor redactor;
  size_t bytes = 0;
  if (!object.is_object()) return map;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string() || key == kLastApplied || key.size() > kMaxValueBytes ||
        redaction::secrecy_of(key) >= redaction::Secrecy::kAnywhere) {
      continue;
    }
    std::string text = redactor.text(value.get<std::string>());
    if (text.size() > kMaxValueBytes) continue;
    bytes += key.size() + text.size();
    if (bytes > kMaxMapBytes) break;
    map[key] = text;
  }
  return map;
}

void drop_nonsense(Kubernetes* pod) {
  for (std::string* text :
       {&pod->cpu_request, &pod->cpu_limit, &pod->memory_request, &pod->memory_limit}) {
    if (!is_quantity(*text)) text->clear();
  }
  for (std::string* text : {&pod->pod_ip, &pod->host_ip}) {
    if (!is_address(*text)) text->clear();
  }
  if (!is_uid(pod->pod_uid)) pod->pod_uid.clear();
  if (!is_phase(pod->pod_phase)) pod->pod_phase.clear();
}

bool Kubernetes::empty() const {
  return to_json(*this).empty();
}

void fill(Kubernetes* pod, const Kubernetes& from) {
  for (const TextField& field : kTextFields) fill(&(pod->*field.field), from.*field.field);
  for (const MapField& field : kMapFields) {
    if ((pod->*field.field).empty()) pod->*field.field = from.*field.field;
  }
  if (pod->services.empty()) pod->services = from.services;
}

ordered_json to_json(const Kubernetes& pod) {
  ordered_json object = ordered_json::object();
  for (const TextField& field : kTextFields) {
    if (!(pod.*field.field).empty()) object[field.key] = pod.*field.field;
  }
  for (const MapField& field : kMapFields) {
    if (!(pod.*field.field).empty()) object[field.key] = pod.*field.field;
  }
  if (!pod.services.empty()) object["services"] = pod.services;
  return object;
}

Kubernetes kubernetes_from_json(const json& document) {
  Kubernetes pod;
  for (const TextField& field : kTextFields) pod.*field.field = text_at(document, {field.key});
  for (const MapField& field : kMapFields)
    pod.*field.field = text_map(value_at(document, {field.key}));
  const json& services = value_at(document, {"services"});
  if (services.is_array()) {
    for (const json& service : services) {
      if (service.is_string()) pod.services.push_back(service.get<std::string>());
    }
  }
  drop_nonsense(&pod);
  return pod;
}

Kubernetes kubernetes_from_surroundings(const Surroundings& around, const ServiceAccount& account,
                                        const std::string& container_id) {
  // The names of the seeds first, then those that OpenTelemetry's operator sets.
  auto attributes = parse_resource_attributes(around.get("OTEL_RESOURCE_ATTRIBUTES"));
  KubeletMount mount =
      kubelet_mount(read_small_file(around.path("/proc/self/mountinfo"), kMountTableBytes));
  Kubernetes pod;
  pod.cluster_name = around.get("K8S_CLUSTER_NAME");
  fill(&pod.cluster_name, attributes["k8s.cluster.name"]);
  fill(&pod.cluster_name, parse_issuer(account.issuer).cluster_name);
  pod.namespace_name = around.first("POD_NAMESPACE", "K8S_NAMESPACE_NAME");
  fill(&pod.namespace_name, account.namespace_name);
  fill(&pod.namespace_name, attributes["k8s.namespace.name"]);
  // A pod on the host's network has the host's name: HOSTNAME comes last.
  pod.pod_name = around.first("POD_NAME", "K8S_POD_NAME");
  fill(&pod.pod_name, account.pod_name);
  fill(&pod.pod_name, attributes["k8s.pod.name"]);
  fill(&pod.pod_name, around.get("HOSTNAME"));
  pod.pod_uid = around.first("POD_UID", "K8S_POD_UID");
  fill(&pod.pod_uid, account.pod_uid);
  fill(&pod.pod_uid, attributes["k8s.pod.uid"]);
  fill(&pod.pod_uid, mount.pod_uid);
  pod.container_name = around.first("CONTAINER_NAME", "K8S_CONTAINER_NAME");
  fill(&pod.container_name, attributes["k8s.container.name"]);
  fill(&pod.container_name, mount.container_name);
  pod.container_id = container_id;
  pod.node_name = around.first("NODE_NAME", "K8S_NODE_NAME");
  fill(&pod.node_name, account.node_name);
  fill(&pod.node_name, attributes["k8s.node.name"]);
  pod.deployment_name = around.get("DEPLOYMENT_NAME");
  fill(&pod.deployment_name, attributes["k8s.deployment.name"]);
  pod.replicaset_name = attributes["k8s.replicaset.name"];
  pod.service_account_name = around.get("SERVICE_ACCOUNT_NAME");
  fill(&pod.service_account_name, account.name);
  pod.cpu_request = around.get("CPU_REQUEST");
  pod.cpu_limit = around.get("CPU_LIMIT");
  pod.memory_request = around.get("MEMORY_REQUEST");
  pod.memory_limit = around.get("MEMORY_LIMIT");
  pod.pod_labels = text_map(parse_document(around.get("POD_LABELS")));
  pod.pod_ip = around.get("POD_IP");
  pod.host_ip = around.first("HOST_IP", "NODE_IP");
  drop_nonsense(&pod);
  return pod;
}

}  // namespace telinject
