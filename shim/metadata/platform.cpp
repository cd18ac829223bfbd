#include "shim/metadata/platform.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/text_files.h"

namespace telinject {

namespace {

// Azure gives this asset tag to all its virtual machines. (Its vendor's name is that of any
// Hyper-V.)
constexpr std::string_view kAzureAssetTag = "7783-7084-3265-9085-8269-3286-77";

struct Dmi {
  std::string vendor, product, asset_tag, board_asset_tag, bios_version, uuid;
};

Dmi read_dmi(const Surroundings& around) {
  auto read = [&](const char* name) {
    return std::string(trimmed(around.file(absl::StrCat("/sys/class/dmi/id/", name))));
  };
  return {read("sys_vendor"),      read("product_name"), read("chassis_asset_tag"),
          read("board_asset_tag"), read("bios_version"), read("product_uuid")};
}

Provider provider_of(const Dmi& dmi, const Surroundings& around) {
  if (dmi.vendor == "Amazon EC2" || absl::EndsWith(dmi.bios_version, ".amazon"))
    return Provider::kAws;
  // Xen instances; the uuid in DMI can be read by root only.
  std::string xen = around.file("/sys/hypervisor/uuid");
  if (absl::StartsWith(xen, "ec2") ||
      (absl::StartsWithIgnoreCase(dmi.uuid, "ec2") && absl::StrContains(dmi.vendor, "Xen"))) {
    return Provider::kAws;
  }
  // Not the vendor, which is Google's of a Chromebook, too.
  if (dmi.product == "Google Compute Engine" || dmi.product == "Google") return Provider::kGcp;
  if (dmi.asset_tag == kAzureAssetTag) return Provider::kAzure;
  return Provider::kLocal;
}

Provider provider_of(Issuer::Kind kind) {
  switch (kind) {
    case Issuer::Kind::kEks:
      return Provider::kAws;
    case Issuer::Kind::kGke:
      return Provider::kGcp;
    case Issuer::Kind::kAks:
      return Provider::kAzure;
    default:
      return Provider::kLocal;
  }
}

// If the user gives the address of a metadata service, there is one: a mock, a proxy, a nested
// machine.
Provider provider_of_endpoints(const Surroundings& around) {
  if (around.has("AWS_EC2_METADATA_SERVICE_ENDPOINT")) return Provider::kAws;
  if (around.has("GCE_METADATA_HOST")) return Provider::kGcp;
  if (around.has("TELEMETRY_AZURE_METADATA_ENDPOINT")) return Provider::kAzure;
  return Provider::kLocal;
}

}  // namespace

std::string Platform::describe() const {
  constexpr const char* kNames[] = {"local", "aws", "gcp", "azure"};
  return absl::StrCat(kNames[static_cast<int>(provider)], lambda ? "/lambda" : "",
                      ecs ? "/ecs" : "", kubernetes ? "/kubernetes" : "",
                      issuer.kind == Issuer::Kind::kOther ? "/other" : "");
}

Platform detect_platform(const Surroundings& around) {
  Platform platform;
  Dmi dmi = read_dmi(around);
  Provider machine = provider_of(dmi, around);
  platform.account = read_service_account(around);
  platform.issuer = parse_issuer(platform.account.issuer);
  platform.kubernetes = around.has("KUBERNETES_SERVICE_HOST") || platform.account.mounted;
  platform.lambda = around.has("AWS_LAMBDA_FUNCTION_NAME") &&
                    (around.has("AWS_LAMBDA_RUNTIME_API") ||
                     absl::StartsWith(around.get("AWS_EXECUTION_ENV"), "AWS_Lambda_"));
  platform.ecs = !platform.lambda && (around.has("ECS_CONTAINER_METADATA_URI_V4") ||
                                      around.has("ECS_CONTAINER_METADATA_URI"));
  platform.provider = platform.lambda || platform.ecs ? Provider::kAws : machine;
  if (platform.provider == Provider::kLocal) platform.provider = provider_of(platform.issuer.kind);
  if (platform.provider == Provider::kLocal) platform.provider = provider_of_endpoints(around);

  // A cluster with another issuer of tokens runs on the machine as any other program does.
  bool managed = platform.kubernetes && platform.issuer.kind != Issuer::Kind::kOther;
  platform.eks =
      managed && platform.provider == Provider::kAws && !platform.ecs && !platform.lambda;
  platform.gke = managed && platform.provider == Provider::kGcp;
  platform.aks = managed && platform.provider == Provider::kAzure;
  // Pods on Fargate have no machine of their own to ask.
  bool fargate_pod = absl::StartsWith(platform.account.node_name, "fargate-");
  platform.has_imds = platform.provider == Provider::kAws && !platform.lambda && !fargate_pod &&
                      (!platform.ecs || machine == Provider::kAws ||
                       around.has("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  if (machine == Provider::kAws && absl::StartsWith(dmi.board_asset_tag, "i-")) {
    platform.dmi_instance_id = one_word(dmi.board_asset_tag);
    platform.dmi_machine_type = one_word(dmi.product);
  }
  return platform;
}

}  // namespace telinject
