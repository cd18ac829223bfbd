#include "shim/metadata/service_account.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

using nlohmann::json;

bool exists(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0;
}

}  // namespace

void read_claims(std::string_view token, ServiceAccount* account) {
  std::vector<absl::string_view> parts =
      absl::StrSplit(absl::string_view(token.data(), token.size()), '.');
  std::string payload;
  if (parts.size() != 3 || !absl::WebSafeBase64Unescape(parts[1], &payload)) return;
  json claims = parse_document(payload);
  account->issuer = text_at(claims, {"iss"});
  account->name = text_at(claims, {"kubernetes.io", "serviceaccount", "name"});
  account->pod_name = text_at(claims, {"kubernetes.io", "pod", "name"});
  account->pod_uid = text_at(claims, {"kubernetes.io", "pod", "uid"});
  account->node_name = text_at(claims, {"kubernetes.io", "node", "name"});
  if (account->namespace_name.empty()) {
    account->namespace_name = text_at(claims, {"kubernetes.io", "namespace"});
  }
}

ServiceAccount read_service_account(const Surroundings& around) {
  ServiceAccount account;
  std::string folder = around.path(kServiceAccountFolder);
  account.mounted = exists(folder);
  if (!account.mounted) return account;
  account.namespace_name = one_word(read_small_file(folder + "/namespace"));
  account.token = std::string(trimmed(read_small_file(folder + "/token")));
  if (exists(folder + "/ca.crt")) account.ca_file = folder + "/ca.crt";
  read_claims(account.token, &account);
  return account;
}

KubeletMount kubelet_mount(std::string_view mountinfo) {
  constexpr size_t kRoot = 3, kMountPoint = 4;
  for (absl::string_view line :
       absl::StrSplit(absl::string_view(mountinfo.data(), mountinfo.size()), '\n')) {
    std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() <= kMountPoint || fields[kMountPoint] != "/dev/termination-log") continue;
    std::vector<std::string> parts = absl::StrSplit(fields[kRoot], '/');
    for (size_t i = 0; i + 4 < parts.size(); i++) {
      if (parts[i] != "pods" || parts[i + 2] != "containers") continue;
      return {one_word(parts[i + 1]), one_word(parts[i + 3])};
    }
  }
  return {};
}

Issuer parse_issuer(std::string_view text) {
  Issuer issuer;
  if (text.empty()) return issuer;
  issuer.kind = Issuer::Kind::kOther;
  absl::string_view url(text.data(), text.size());
  if (!absl::ConsumePrefix(&url, "https://")) return issuer;
  std::vector<std::string> parts = absl::StrSplit(url, '/');
  std::vector<std::string> host = absl::StrSplit(parts[0], '.');
  // https://container.googleapis.com/v1/projects/P/locations/L/clusters/C
  if (parts[0] == "container.googleapis.com" && parts.size() >= 8 && parts[2] == "projects") {
    issuer.kind = Issuer::Kind::kGke;
    issuer.project = one_word(parts[3]);
    issuer.cluster_name = one_word(parts[7]);
    issuer.region = region_of_zone(one_word(parts[5]));
  }
  // https://oidc.eks.REGION.amazonaws.com/id/..., in China amazonaws.com.cn
  if (host.size() >= 5 && host[0] == "oidc" && host[1] == "eks" && host[3] == "amazonaws") {
    issuer.kind = Issuer::Kind::kEks;
    issuer.region = one_word(host[2]);
  }
  // https://REGION.oic.prod-aks.azure.com/TENANT/..., or the API server's own name:
  // https://NAME-HASH.hcp.REGION.azmk8s.io
  if (host.size() >= 5 && host[1] == "oic" && host[2] == "prod-aks") {
    issuer.kind = Issuer::Kind::kAks;
    issuer.region = one_word(host[0]);
  }
  for (size_t i = 1; i + 2 < host.size(); i++) {
    if (host[i] != "hcp" || host[i + 2] != "azmk8s") continue;
    issuer.kind = Issuer::Kind::kAks;
    issuer.region = one_word(host[i + 1]);
  }
  return issuer;
}

}  // namespace telinject
