#include "shim/metadata/cloud.h"

#include "shim/metadata/documents.h"

namespace telinject {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct CloudField {
  const char* key;
  std::string Cloud::*field;
  bool nullable;
};
constexpr CloudField kCloudFields[] = {
    {"region", &Cloud::region, true},
    {"availability_zone", &Cloud::availability_zone, true},
    {"account_id", &Cloud::account_id, true},
    {"instance_id", &Cloud::instance_id, true},
    {"machine_type", &Cloud::machine_type, false},
    {"image_id", &Cloud::image_id, false},
    {"platform", &Cloud::platform, false},
};

bool is_one_of(const std::string& text, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (text == word) return true;
  }
  return false;
}

}  // namespace

std::optional<Cloud> cloud_from_json(const json& document) {
  Cloud cloud;
  cloud.provider = text_at(document, {"provider"});
  cloud.metadata_source = text_at(document, {"metadata_source"});
  for (const CloudField& field : kCloudFields) cloud.*field.field = text_at(document, {field.key});
  if (cloud.provider == "local") return Cloud();
  bool known = is_one_of(cloud.metadata_source, {"IMDSv2", "metadata_server", "env", "file"});
  bool fits =
      (cloud.provider == "aws" && is_one_of(cloud.platform, {"ec2", "ecs", "eks", "lambda"})) ||
      (cloud.provider == "gcp" && is_one_of(cloud.platform, {"gce", "gke"})) ||
      (cloud.provider == "azure" && is_one_of(cloud.platform, {"azure_vm", "aks"}));
  return known && fits ? std::optional(cloud) : std::nullopt;
}

ordered_json to_json(const Cloud& cloud) {
  if (cloud.local()) return {{"provider", "local"}, {"metadata_source", "none"}};
  ordered_json object = {{"provider", cloud.provider}};
  for (const CloudField& field : kCloudFields) {
    const std::string& text = cloud.*field.field;
    if (!text.empty()) {
      object[field.key] = text;
    } else if (field.nullable) {
      object[field.key] = nullptr;
    }
  }
  object["metadata_source"] = cloud.metadata_source;
  return object;
}

void fill(std::string* field, const std::string& value) {
  if (field->empty()) *field = value;
}

void fill(Cloud* cloud, const Cloud& from) {
  fill(&cloud->region, from.region);
  fill(&cloud->availability_zone, from.availability_zone);
  fill(&cloud->account_id, from.account_id);
  fill(&cloud->instance_id, from.instance_id);
  fill(&cloud->machine_type, from.machine_type);
  fill(&cloud->image_id, from.image_id);
}

CloudFindings find_cloud(const Surroundings& around, const Platform& platform,
                         net::HttpClient* http) {
  switch (platform.provider) {
    case Provider::kAws:
      return find_aws(around, platform, http);
    case Provider::kGcp:
      return find_gcp(around, platform, http);
    case Provider::kAzure:
      return find_azure(around, platform, http);
    case Provider::kLocal:
      break;
  }
  return {};
}

}  // namespace telinject
