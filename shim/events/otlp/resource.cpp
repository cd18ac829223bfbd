#include "shim/events/otlp/resource.h"

#include <algorithm>
#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "shim/channel/sha256.h"
#include "shim/events/otlp/attribute_set.h"
#include "shim/events/otlp/proto_fields.h"
#include "shim/events/registry/registry.h"
#include "shim/events/service_of.h"

namespace telinject::otlp {

namespace {

using registry::otel_name;

class Builder {
 public:
  void text(std::string_view name, std::string_view value) {
    if (!value.empty()) all.text(name, value);
  }
  void texts(std::string_view name, const std::vector<std::string>& values) {
    if (!values.empty()) all.texts(name, {values.begin(), values.end()});
  }
  // prefix.KEY for each.
  void map(std::string_view prefix, const TextMap& values) {
    for (const auto& [key, value] : values) all.text(std::string(prefix).append(key), value);
  }

  AttributeSet all;
};

std::string_view platform_name(std::string_view platform) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"ec2", "aws_ec2"},
      {"ecs", "aws_ecs"},
      {"eks", "aws_eks"},
      {"lambda", "aws_lambda"},
      {"gce", "gcp_compute_engine"},
      {"gke", "gcp_kubernetes_engine"},
      {"azure_vm", "azure.vm"},
      {"aks", "azure.aks"},
  };
  for (const auto& [v3, otel] : kNames) {
    if (platform == v3) return otel;
  }
  return platform;
}

// A random UUID (version 4), as the conventions want one. Its random part is the process's key, so
// a recording that is converted twice, or later, has the same.
std::string instance_id(const Metadata& metadata, const ProcessInfo& process) {
  std::string about = absl::StrCat(process.key.k0, " ", process.key.k1, " ", process.pid, " ",
                                   metadata.host.name, " ", metadata.container_id);
  Sha256Digest digest = sha256(about.data(), about.size());
  char bytes[16];
  std::memcpy(bytes, digest.bytes, sizeof bytes);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);  // the version
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);  // the variant
  std::string id = absl::BytesToHexString({bytes, sizeof bytes});
  for (size_t place : {8, 13, 18, 23}) id.insert(place, 1, '-');
  return id;
}

void add_user_attributes(const Metadata& metadata, Builder* to) {
  for (const auto& [name, value] : metadata.service.attributes) to->text(name, value);
}

void add_service(const Metadata& metadata, const ProcessInfo& process, Builder* to) {
  const Service& service = metadata.service;
  to->text(otel_name("service.name"), name_of(service, process));
  to->text(otel_name("service.version"), version_of(service, process));
  to->text(otel_name("environment"), service.environment);
  if (!service.attributes.contains(otel_name("service.instance.id"))) {
    to->text(otel_name("service.instance.id"), instance_id(metadata, process));
  }
  to->text(otel_name("resource.telemetry_sdk_name"), "telinject");
  to->text(otel_name("telemetry.sdk.language"), "cpp");
  to->text(otel_name("resource.telemetry_sdk_version"), TELINJECT_VERSION);
}

void add_process(const ProcessInfo& process, Builder* to) {
  const std::string& path = process.executable;
  to->text(otel_name("resource.runtime_name"), process.language);
  to->text(otel_name("resource.runtime_version"), process.runtime_version);
  to->all.number(otel_name("process.pid"), process.pid);
  to->text(otel_name("process.executable"), path);
  to->text(otel_name("process.executable.name"),
           std::string_view(path).substr(path.rfind('/') + 1));
  to->text(otel_name("process.executable.build_id.gnu"), process.build_id);
  to->text(otel_name("process.command_line"), process.command_line);
}

void add_host(const Metadata& metadata, Builder* to) {
  const Host& host = metadata.host;
  to->text(otel_name("resource.os_type"), "linux");
  to->text(otel_name("resource.os_description"), host.os_description);
  to->text(otel_name("host.name"), host.name);
  if (!host.ip.empty()) to->texts(otel_name("host.ip"), {host.ip});
  to->text(otel_name("host.public_ip"), host.public_ip);
}

void add_cloud(const Cloud& cloud, Builder* to) {
  if (cloud.local()) return;
  to->text(otel_name("cloud.provider"), cloud.provider);
  to->text(otel_name("cloud.region"), cloud.region);
  to->text(otel_name("cloud.availability_zone"), cloud.availability_zone);
  to->text(otel_name("cloud.account_id"), cloud.account_id);
  to->text(otel_name("cloud.platform"), platform_name(cloud.platform));
  to->text(otel_name("cloud.instance_id"), cloud.instance_id);
  to->text(otel_name("cloud.machine_type"), cloud.machine_type);
  to->text(otel_name("cloud.image_id"), cloud.image_id);
}

void add_kubernetes(const Metadata& metadata, Builder* to) {
  const Kubernetes& pod = metadata.kubernetes;
  to->text(otel_name("k8s.container_id"),
           pod.container_id.empty() ? metadata.container_id : pod.container_id);
  to->text(otel_name("k8s.cluster_name"), pod.cluster_name);
  to->text(otel_name("k8s.namespace_name"), pod.namespace_name);
  to->map(otel_name("k8s.namespace_labels.*"), pod.namespace_labels);
  to->text(otel_name("k8s.pod_name"), pod.pod_name);
  to->text(otel_name("k8s.pod_uid"), pod.pod_uid);
  to->text(otel_name("k8s.pod_ip"), pod.pod_ip);
  to->text(otel_name("k8s.pod_phase"), pod.pod_phase);
  to->map(otel_name("k8s.pod_labels.*"), pod.pod_labels);
  to->map(otel_name("k8s.pod_annotations.*"), pod.pod_annotations);
  to->text(otel_name("k8s.host_ip"), pod.host_ip);
  to->text(otel_name("k8s.container_name"), pod.container_name);
  to->text(otel_name("k8s.node_name"), pod.node_name);
  to->text(otel_name("k8s.deployment_name"), pod.deployment_name);
  to->text(otel_name("k8s.replicaset_name"), pod.replicaset_name);
  to->text(otel_name("k8s.service_account_name"), pod.service_account_name);
  to->texts(otel_name("k8s.services"), pod.services);
  to->text(otel_name("k8s.cpu_request"), pod.cpu_request);
  to->text(otel_name("k8s.cpu_limit"), pod.cpu_limit);
  to->text(otel_name("k8s.memory_request"), pod.memory_request);
  to->text(otel_name("k8s.memory_limit"), pod.memory_limit);
}

// The first are kept by the limit on their number, and of one name the last counts. What the
// service is called has settings of its own, which go before the user's attributes.
std::string encode(const Metadata& metadata, const ProcessInfo& process, bool of_process) {
  Builder builder;
  add_service(metadata, process, &builder);
  add_user_attributes(metadata, &builder);
  if (of_process) add_process(process, &builder);
  add_host(metadata, &builder);
  add_cloud(metadata.cloud, &builder);
  add_kubernetes(metadata, &builder);
  add_user_attributes(metadata, &builder);
  add_service(metadata, process, &builder);
  std::string resource;
  uint32_t left_out = builder.all.append_to(&resource, field::resource::kAttributes);
  if (left_out != 0) {
    protozero::pbf_writer(resource).add_uint32(field::resource::kDroppedAttributes, left_out);
  }
  return resource;
}

}  // namespace

std::string make_resource(const Metadata& metadata, const ProcessInfo& process) {
  return encode(metadata, process, /*of_process=*/true);
}

std::string make_session_resource(const Metadata& metadata, const ProcessInfo& first) {
  return encode(metadata, first, /*of_process=*/false);
}

}  // namespace telinject::otlp
