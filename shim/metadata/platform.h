// The gate: what this machine can be, told from its firmware's names (DMI), the environment and
// files alone. Only the metadata service that can be there is asked; where none can be, nothing is
// sent.
#pragma once

#include <string>

#include "shim/metadata/service_account.h"
#include "shim/metadata/surroundings.h"

namespace telinject {

enum class Provider { kLocal, kAws, kGcp, kAzure };

struct Platform {
  Provider provider = Provider::kLocal;
  bool lambda = false;
  bool ecs = false;
  bool kubernetes = false;
  bool eks = false, gke = false, aks = false;  // as far as known without asking
  bool has_imds = false;  // AWS: a virtual machine's metadata service can be there
  // EC2's Nitro machines have these in DMI.
  std::string dmi_instance_id, dmi_machine_type;
  ServiceAccount account;
  Issuer issuer;

  // For the cache: changes when the answer would.
  std::string describe() const;
};

Platform detect_platform(const Surroundings& around);

}  // namespace telinject
