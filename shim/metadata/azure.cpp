// Azure: the instance metadata service of virtual machines, of AKS' nodes, too.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "shim/metadata/cloud.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

using nlohmann::json;

constexpr const char* kEndpoint = "http://169.254.169.254";
constexpr const char* kPath = "/metadata/instance?api-version=2021-02-01";

// A config map that administrators may hand to pods.
constexpr const char* kClusterFile = "/etc/kubernetes/aks-cluster-metadata";
constexpr const char* kClusterKey = "clusterResourceId";

std::string cluster_file(const Surroundings& around) {
  std::string text = around.file(absl::StrCat(kClusterFile, "/", kClusterKey));
  if (text.empty()) text = around.file(kClusterFile);
  absl::string_view view(text);
  view = absl::StripAsciiWhitespace(view);
  absl::ConsumePrefix(&view, absl::StrCat(kClusterKey, "="));
  return one_word({view.data(), view.size()});
}

// An image of the marketplace has no id but four names.
std::string image_of(const json& compute) {
  const json& reference = value_at(compute, {"storageProfile", "imageReference"});
  std::string id = text_at(reference, {"id"});
  if (!id.empty()) return id;
  std::string publisher = text_at(reference, {"publisher"});
  if (publisher.empty()) return {};
  return absl::StrCat(publisher, ":", text_at(reference, {"offer"}), ":",
                      text_at(reference, {"sku"}), ":", text_at(reference, {"version"}));
}

}  // namespace

std::string aks_cluster_of_group(const std::string& resource_group) {
  std::vector<std::string> parts = absl::StrSplit(resource_group, '_');
  if (parts.size() < 4 || (parts[0] != "MC" && parts[0] != "mc")) return {};
  return parts.size() == 4 ? parts[2] : resource_group;
}

std::string aks_cluster_of_id(std::string_view resource_id) {
  std::vector<std::string> parts =
      absl::StrSplit(absl::string_view(resource_id.data(), resource_id.size()), '/');
  for (size_t i = 0; i + 1 < parts.size(); i++) {
    if (parts[i] == "managedClusters" || parts[i] == "managedclusters")
      return one_word(parts[i + 1]);
  }
  return {};
}

bool read_azure_instance(std::string_view text, CloudFindings* findings) {
  json document = parse_document(text);
  const json& compute = value_at(document, {"compute"});
  Cloud& cloud = findings->cloud;
  cloud.region = text_at(compute, {"location"});
  cloud.availability_zone = text_at(compute, {"zone"});
  cloud.account_id = text_at(compute, {"subscriptionId"});
  cloud.instance_id = text_at(compute, {"vmId"});
  cloud.machine_type = text_at(compute, {"vmSize"});
  cloud.image_id = image_of(compute);
  const json& interfaces = value_at(document, {"network", "interface"});
  if (interfaces.is_array()) {
    for (const json& interface : interfaces) {
      const json& addresses = value_at(interface, {"ipv4", "ipAddress"});
      if (!addresses.is_array()) continue;
      for (const json& address : addresses) {
        std::string value = text_at(address, {"publicIpAddress"});
        if (findings->public_ip.empty() && is_address(value)) findings->public_ip = value;
      }
    }
  }
  findings->cluster_name = aks_cluster_of_group(text_at(compute, {"resourceGroupName"}));
  return !cloud.instance_id.empty();
}

CloudFindings find_azure(const Surroundings& around, const Platform& platform,
                         net::HttpClient* http) {
  CloudFindings findings;
  std::string endpoint = around.get("TELEMETRY_AZURE_METADATA_ENDPOINT");
  if (endpoint.empty()) endpoint = kEndpoint;
  while (endpoint.back() == '/' && endpoint.size() > 1) endpoint.pop_back();
  net::HttpResponse answer = http->send({endpoint + kPath, {"Metadata: true"}});
  bool good = answer.ok() && read_azure_instance(answer.body, &findings);
  if (!good) {
    findings = {};
    findings.complete = false;
    findings.problems.push_back(answer.ok() ? "Azure's instance metadata make no sense"
                                            : answer.problem);
  }
  Cloud& cloud = findings.cloud;
  cloud.provider = "azure";
  cloud.platform = platform.aks ? "aks" : "azure_vm";
  cloud.metadata_source = good ? "metadata_server" : "file";
  if (!platform.aks) {
    findings.cluster_name.clear();
    return findings;
  }
  fill(&cloud.region, platform.issuer.region);
  std::string id = around.get("CLUSTER_RESOURCE_ID");
  if (id.empty()) id = cluster_file(around);
  if (std::string name = aks_cluster_of_id(id); !name.empty()) findings.cluster_name = name;
  return findings;
}

}  // namespace telinject
