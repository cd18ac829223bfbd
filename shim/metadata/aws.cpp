// Amazon: virtual machines (EC2, and under ECS and EKS), ECS tasks, Lambda functions.
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shim/metadata/cloud.h"
#include "shim/metadata/documents.h"

namespace telinject {

namespace {

using nlohmann::json;

constexpr const char* kImds = "http://169.254.169.254";
constexpr const char* kImdsIpv6 = "http://[fd00:ec2::254]";

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

// The same names as all of Amazon's own libraries.
std::string imds_endpoint(const Surroundings& around) {
  std::string endpoint = without_slash(around.get("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
  if (!endpoint.empty()) return endpoint;
  bool ipv6 = absl::EqualsIgnoreCase(around.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6");
  return ipv6 ? kImdsIpv6 : kImds;
}

bool imds_disabled(const Surroundings& around) {
  return absl::EqualsIgnoreCase(around.get("AWS_EC2_METADATA_DISABLED"), "true");
}

// Version 2 only, which wants a token first. Version 1 is never asked: any program that can be made
// to fetch a URL gets its answers.
bool ask_imds(const Surroundings& around, net::HttpClient* http, CloudFindings* findings) {
  if (imds_disabled(around)) {
    findings->problems.push_back(
        "EC2's metadata service is not asked: AWS_EC2_METADATA_DISABLED=true");
    return false;
  }
  std::string endpoint = imds_endpoint(around);
  net::HttpRequest ask_token = {
      endpoint + "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds: 60"}, "PUT"};
  ask_token.max_bytes = 4096;
  net::HttpResponse answer = http->send(ask_token);
  std::string token = one_word(answer.body);
  if (!answer.ok() || token.empty()) {
    // Packets to it live for one hop by default, which in a container is one too few.
    bool silent = answer.status == 0;
    findings->problems.push_back(absl::StrCat(
        answer.ok() ? "the token of EC2's metadata service makes no sense" : answer.problem,
        silent ? " (in a container: is the instance's metadata hop limit 1?)" : ""));
    findings->complete = false;
    return false;
  }
  std::string header = "X-aws-ec2-metadata-token: " + token;
  std::vector<net::HttpResponse> answers =
      http->send_all({{endpoint + "/latest/dynamic/instance-identity/document", {header}},
                      {endpoint + "/latest/meta-data/public-ipv4", {header}}});
  Cloud found;
  bool good = answers[0].ok() && read_identity_document(answers[0].body, &found);
  if (!good) {
    findings->problems.push_back(answers[0].ok() ? "EC2's instance identity document makes no sense"
                                                 : answers[0].problem);
    findings->complete = false;
  }
  // 404 where the machine has none.
  std::string address = answers[1].ok() ? one_word(answers[1].body) : "";
  if (is_address(address)) findings->public_ip = address;
  if (!good) return false;
  fill(&findings->cloud, found);
  findings->cloud.metadata_source = "IMDSv2";
  return true;
}

// What is known of a machine whose metadata service does not answer.
void fill_from_environment(const Surroundings& around, const Platform& platform, Cloud* cloud) {
  Cloud told;
  told.region = around.first("AWS_REGION", "AWS_DEFAULT_REGION");
  // Roles of pods belong to the account of the cluster in all but rare cases.
  if (platform.eks) told.account_id = parse_arn(around.get("AWS_ROLE_ARN")).account;
  bool anything = !told.region.empty() || !told.account_id.empty();
  fill(&told.region, platform.issuer.region);
  told.instance_id = platform.dmi_instance_id;
  told.machine_type = platform.dmi_machine_type;
  fill(cloud, told);
  if (cloud->metadata_source == "none") cloud->metadata_source = anything ? "env" : "file";
}

CloudFindings find_lambda(const Surroundings& around, net::HttpClient* http) {
  CloudFindings findings;
  Cloud& cloud = findings.cloud;
  cloud.platform = "lambda";
  cloud.metadata_source = "env";
  cloud.region = around.first("AWS_REGION", "AWS_DEFAULT_REGION");
  // Each execution environment is a small virtual machine, with a log stream of its own.
  cloud.instance_id = around.get("AWS_LAMBDA_LOG_STREAM_NAME");
  if (std::string size = around.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"); !size.empty()) {
    cloud.machine_type = size + " MB";
  }
  std::string server = around.get("AWS_LAMBDA_METADATA_API");
  std::string token = around.get("AWS_LAMBDA_METADATA_TOKEN");
  if (server.empty() || token.empty()) return findings;
  net::HttpResponse answer =
      http->send({absl::StrCat("http://", server, "/2026-01-15/metadata/execution-environment"),
                  {"Authorization: Bearer " + token}});
  if (answer.ok()) {
    cloud.availability_zone = text_at(parse_document(answer.body), {"AvailabilityZoneID"});
  } else {
    findings.problems.push_back(answer.problem);
    findings.complete = false;
  }
  return findings;
}

CloudFindings find_ecs(const Surroundings& around, const Platform& platform,
                       net::HttpClient* http) {
  CloudFindings findings;
  Cloud& cloud = findings.cloud;
  cloud.platform = "ecs";
  std::string endpoint = without_slash(around.get("ECS_CONTAINER_METADATA_URI_V4"));
  std::string launch_type;
  Cloud container;
  if (endpoint.empty()) {
    findings.problems.push_back("this ECS agent has no task metadata endpoint of version 4");
  } else {
    std::vector<net::HttpResponse> answers = http->send_all({{endpoint + "/task"}, {endpoint}});
    if (answers[0].ok() && read_ecs_task(answers[0].body, &cloud, &launch_type)) {
      cloud.metadata_source = "metadata_server";
    } else {
      findings.problems.push_back(answers[0].ok() ? "the ECS task's metadata make no sense"
                                                  : answers[0].problem);
      findings.complete = false;
    }
    if (!answers[1].ok()) {
      findings.problems.push_back(answers[1].problem);
      findings.complete = false;
    } else if (read_ecs_container(answers[1].body, &container)) {
      fill(&cloud.region, container.region);
      fill(&cloud.account_id, container.account_id);
    }
  }
  bool on_machine =
      launch_type == "EC2" || launch_type == "MANAGED_INSTANCES" || launch_type.empty();
  if (launch_type == "FARGATE") {
    // A task there is a virtual machine of its own; its image is the container's.
    fill(&cloud.image_id, container.image_id);
  } else if (on_machine && platform.has_imds) {
    std::string source = cloud.metadata_source;
    ask_imds(around, http, &findings);
    if (source != "none") cloud.metadata_source = source;
  }
  fill_from_environment(around, platform, &cloud);
  return findings;
}

}  // namespace

Arn parse_arn(std::string_view text) {
  std::vector<std::string> parts = absl::StrSplit(absl::string_view(text.data(), text.size()), ':');
  if (parts.size() < 6 || parts[0] != "arn") return {};
  return {one_word(parts[3]), one_word(parts[4])};
}

bool read_identity_document(std::string_view text, Cloud* cloud) {
  json document = parse_document(text);
  cloud->region = text_at(document, {"region"});
  cloud->availability_zone = text_at(document, {"availabilityZone"});
  cloud->account_id = text_at(document, {"accountId"});
  cloud->instance_id = text_at(document, {"instanceId"});
  cloud->machine_type = text_at(document, {"instanceType"});
  cloud->image_id = text_at(document, {"imageId"});
  return !cloud->instance_id.empty();
}

bool read_ecs_task(std::string_view text, Cloud* cloud, std::string* launch_type) {
  json document = parse_document(text);
  std::string arn = text_at(document, {"TaskARN"});
  Arn parts = parse_arn(arn);
  if (parts.region.empty()) return false;
  cloud->region = parts.region;
  cloud->account_id = parts.account;
  cloud->availability_zone = text_at(document, {"AvailabilityZone"});
  *launch_type = text_at(document, {"LaunchType"});
  if (*launch_type != "FARGATE") return true;
  cloud->instance_id = last_part(arn);
  std::string cpu = text_at(document, {"Limits", "CPU"}),
              memory = text_at(document, {"Limits", "Memory"});
  if (!cpu.empty() && !memory.empty())
    cloud->machine_type = absl::StrCat(cpu, " vCPU, ", memory, " MiB");
  return true;
}

bool read_ecs_container(std::string_view text, Cloud* cloud) {
  json document = parse_document(text);
  Arn parts = parse_arn(text_at(document, {"ContainerARN"}));
  cloud->region = parts.region;
  cloud->account_id = parts.account;
  cloud->image_id = text_at(document, {"ImageID"});
  fill(&cloud->image_id, text_at(document, {"Image"}));
  return !document.is_discarded();
}

CloudFindings find_aws(const Surroundings& around, const Platform& platform,
                       net::HttpClient* http) {
  CloudFindings findings;
  if (platform.lambda) {
    findings = find_lambda(around, http);
  } else if (platform.ecs) {
    findings = find_ecs(around, platform, http);
  } else {
    findings.cloud.platform = platform.eks ? "eks" : "ec2";
    if (platform.has_imds) ask_imds(around, http, &findings);
    fill_from_environment(around, platform, &findings.cloud);
  }
  findings.cloud.provider = "aws";
  return findings;
}

}  // namespace telinject
