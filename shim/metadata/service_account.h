// Reads what a Kubernetes pod can know without asking a server: the files of its service account,
// and the kubelet's mounts.
#pragma once

#include <string>
#include <string_view>

#include "shim/metadata/surroundings.h"

namespace telinject {

inline constexpr const char* kServiceAccountFolder =
    "/var/run/secrets/kubernetes.io/serviceaccount";

struct ServiceAccount {
  bool mounted = false;        // the folder is there
  std::string token;           // for the API server; sent nowhere else
  std::string ca_file;         // "" if there is none; the server is not asked then
  std::string namespace_name;  // file `namespace`, else the token's claim
  // Claims of the token, which is a JWT. Its signature is not checked, because a user who can write
  // this file could change everything else that we read. Tokens are bound to their pod since
  // Kubernetes 1.21.
  std::string issuer, name, pod_name, pod_uid, node_name;
};

ServiceAccount read_service_account(const Surroundings& around);

// Fills in the claims; changes nothing if the text is not a JWT.
void read_claims(std::string_view token, ServiceAccount* account);

// From /proc/self/mountinfo: the kubelet mounts
// .../kubelet/pods/<uid>/containers/<name>/<hash> at /dev/termination-log.
struct KubeletMount {
  std::string pod_uid, container_name;
};
KubeletMount kubelet_mount(std::string_view mountinfo);

// The kind of cluster, from the issuer of the token.
struct Issuer {
  enum class Kind { kUnknown, kEks, kGke, kAks, kOther };
  Kind kind = Kind::kUnknown;  // kUnknown: there is no token; kOther: a cluster of none of these
  std::string region, project, cluster_name;
};
Issuer parse_issuer(std::string_view issuer);

}  // namespace telinject
