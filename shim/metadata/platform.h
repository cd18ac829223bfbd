// Decides from firmware names (DMI), environment and files which platform this machine may be. Only
// that platform's metadata service is asked; without one, nothing is sent.
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
  bool has_imds = false;  // AWS: the metadata service of a virtual machine may exist
  // EC2's Nitro machines have these in DMI.
  std::string dmi_instance_id, dmi_machine_type;
  ServiceAccount account;
  Issuer issuer;

  // Part of the cache key: changes whenever the answer would.
  std::string describe() const;
};

Platform detect_platform(const Surroundings& around);

}  // namespace telinject
