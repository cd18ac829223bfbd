// The cloud that the program runs in, as the event's `cloud` has it. v3, section 10.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "shim/metadata/platform.h"
#include "shim/net/http_client.h"

namespace telinject {

// "" is not known. docs/metadata.md says for each platform what the fields hold.
struct Cloud {
  std::string provider = "local";
  std::string region, availability_zone, account_id, instance_id, machine_type, image_id;
  std::string platform;
  std::string metadata_source = "none";

  bool local() const { return provider == "local"; }
};

// As `cloud` in an event: fields that may be null are null where nothing is known. And back;
// nothing if the schema would not have it.
nlohmann::ordered_json to_json(const Cloud& cloud);
std::optional<Cloud> cloud_from_json(const nlohmann::json& document);

// The answers of a search, and its problems.
struct CloudFindings {
  Cloud cloud;
  std::string public_ip;     // of the machine
  std::string cluster_name;  // of Kubernetes, as the cloud calls it
  std::vector<std::string> problems;
  bool complete = true;  // false: a question was not answered; asking again may help
};

// Each asks the one metadata service that the platform can have, and falls back to the environment
// and files.
CloudFindings find_cloud(const Surroundings& around, const Platform& platform,
                         net::HttpClient* http);

CloudFindings find_aws(const Surroundings& around, const Platform& platform, net::HttpClient* http);
CloudFindings find_gcp(const Surroundings& around, const Platform& platform, net::HttpClient* http);
CloudFindings find_azure(const Surroundings& around, const Platform& platform,
                         net::HttpClient* http);

// Sets the fields that are not set yet.
void fill(std::string* field, const std::string& value);
void fill(Cloud* cloud, const Cloud& from);

// Parse documents of the services; false if a document is malformed.

// EC2: /latest/dynamic/instance-identity/document
bool read_identity_document(std::string_view text, Cloud* cloud);
// ECS: ${ECS_CONTAINER_METADATA_URI_V4}/task. `launch_type`: "EC2", "FARGATE", "EXTERNAL", ""
// unknown.
bool read_ecs_task(std::string_view text, Cloud* cloud, std::string* launch_type);
// ECS: ${ECS_CONTAINER_METADATA_URI_V4}
bool read_ecs_container(std::string_view text, Cloud* cloud);
// Azure: /metadata/instance
bool read_azure_instance(std::string_view text, CloudFindings* findings);
// The cluster in "MC_group_cluster_region"; the whole name if it has other underscores.
std::string aks_cluster_of_group(const std::string& resource_group);
// The NAME in "/subscriptions/.../managedClusters/NAME".
std::string aks_cluster_of_id(std::string_view resource_id);

// arn:partition:service:region:account:...
struct Arn {
  std::string region, account;
};
Arn parse_arn(std::string_view text);

}  // namespace telinject
