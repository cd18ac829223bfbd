// Google: Compute Engine's metadata server, and GKE's, which stands before it for pods.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/metadata/cloud.h"
#include "shim/metadata/documents.h"

namespace telinject {

namespace {

// By address, as Google's own libraries: its name would need a resolver that knows it.
constexpr const char* kServer = "169.254.169.254";

std::string server_of(const Surroundings& around) {
  std::string host = around.first("GCE_METADATA_HOST", "GCE_METADATA_IP");
  if (host.empty()) host = kServer;
  while (host.back() == '/' && host.size() > 1) host.pop_back();
  return absl::StrCat(absl::StrContains(host, "://") ? "" : "http://", host,
                      "/computeMetadata/v1/");
}

enum Question : size_t {
  kProject,
  kId,
  kZone,
  kMachineType,
  kImage,
  kPublicIp,
  kClusterName,
  kClusterLocation,
  kQuestions,
};

constexpr const char* kPaths[kQuestions] = {
    "project/project-id",
    "instance/id",
    "instance/zone",
    "instance/machine-type",
    "instance/image",
    "instance/network-interfaces/0/access-configs/0/external-ip",
    "instance/attributes/cluster-name",
    "instance/attributes/cluster-location",
};

}  // namespace

CloudFindings find_gcp(const Surroundings& around, const Platform& platform,
                       net::HttpClient* http) {
  CloudFindings findings;
  Cloud& cloud = findings.cloud;
  cloud.provider = "gcp";
  cloud.platform = platform.gke ? "gke" : "gce";

  std::vector<net::HttpRequest> requests;
  size_t count = platform.gke ? kQuestions : kClusterName;
  for (size_t i = 0; i < count; i++) {
    requests.push_back({server_of(around) + kPaths[i], {"Metadata-Flavor: Google"}});
  }
  std::vector<net::HttpResponse> answers = http->send_all(requests);
  answers.resize(kQuestions);
  bool any = false;
  for (net::HttpResponse& answer : answers) {
    // An answer without that header comes from a portal, a proxy or another cloud's service.
    bool genuine = answer.ok() && answer.header("metadata-flavor") == "Google";
    answer.body = genuine ? one_word(answer.body) : "";
    any = any || !answer.body.empty();
  }
  // What a machine does not have, and what GKE's server hides, is 404; anything else may pass.
  for (size_t i = 0; i < count; i++) {
    const net::HttpResponse& answer = answers[i];
    if (!answer.body.empty() || answer.status == 404 || (answer.ok() && any)) continue;
    findings.complete = false;
    if (findings.problems.empty()) {
      findings.problems.push_back(
          answer.ok() ? absl::StrCat("GET ", requests[i].url,
                                     ": the answer is not Google's metadata server's")
                      : answer.problem);
    }
  }
  cloud.metadata_source = any ? "metadata_server" : "file";
  cloud.account_id = answers[kProject].body;
  cloud.instance_id = answers[kId].body;
  cloud.availability_zone = last_part(answers[kZone].body);
  cloud.region = region_of_zone(cloud.availability_zone);
  cloud.machine_type = last_part(answers[kMachineType].body);
  cloud.image_id = answers[kImage].body;
  if (is_address(answers[kPublicIp].body)) findings.public_ip = answers[kPublicIp].body;
  if (!platform.gke) return findings;

  findings.cluster_name = answers[kClusterName].body;
  // A cluster that is not GKE's, on machines of Google's, whose tokens could not be read.
  if (any && findings.cluster_name.empty() && platform.issuer.kind != Issuer::Kind::kGke)
    cloud.platform = "gce";
  fill(&findings.cluster_name, platform.issuer.cluster_name);
  fill(&cloud.region, region_of_zone(answers[kClusterLocation].body));
  fill(&cloud.region, platform.issuer.region);
  fill(&cloud.account_id, platform.issuer.project);
  return findings;
}

}  // namespace telinject
