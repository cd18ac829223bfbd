// Where programs run: what files, tokens and documents say of it, and what is not believed.
#include <catch2/catch.hpp>

#include <string>

#include "shim/metadata/cache.h"
#include "shim/metadata/container.h"
#include "shim/metadata/documents.h"
#include "shim/metadata/host.h"
#include "shim/metadata/service.h"
#include "shim/metadata/service_account.h"

namespace telinject::test::places_test {
namespace {

const std::string kId(64, 'a');
const std::string kOther(64, 'b');

std::string mount(const std::string& root, const std::string& at) {
  return "1 2 0:1 " + root + " " + at + " rw,relatime - ext4 /dev/sda rw\n";
}

}  // namespace

TEST_CASE("container ids in cgroups of both versions") {
  for (const std::string& line :
       {"0::/system.slice/docker-" + kId + ".scope", "12:memory:/docker/" + kId,
        "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
        "cri-containerd-" +
            kId + ".scope",
        "1:name=systemd:/kubepods/burstable/pod0ca5b5a3-2bcb/" + kId,
        "0::/kubepods-besteffort-pod1.slice:cri-containerd:" + kId,
        "0::/machine.slice/libpod-" + kId + ".scope/container",
        "0::/system.slice/crio-" + kId + ".scope", "9:x:/ecs/0123/" + kId,
        "0::/docker/" + kOther + "/kubelet/kubepods/" + kId}) {
    CAPTURE(line);
    CHECK(container_id_in_cgroup("3:cpu:/\n" + line + "\n") == kId);
  }
  CHECK(container_id_in_cgroup("1:x:/ecs/55091c13-b8cf-4801-b527-f4601742204d/"
                               "432624d2150b349fe35ba397284dea78-2531612879") ==
        "432624d2150b349fe35ba397284dea78-2531612879");
  for (const char* text : {"", "0::/", "0::/user.slice/user-0.slice/session-1.scope",
                           "0::/docker/abc", "garbage", "0::/../.."}) {
    CAPTURE(text);
    CHECK(container_id_in_cgroup(text).empty());
  }
}

TEST_CASE("container ids in the table of mounts") {
  CHECK(container_id_in_mountinfo(
            mount("/", "/") +
            mount("/var/lib/docker/containers/" + kId + "/hostname", "/etc/hostname")) == kId);
  CHECK(container_id_in_mountinfo(mount("/containers/overlay-containers/" + kId + "/userdata/hosts",
                                        "/etc/hosts")) == kId);
  // Of a container that this one has mounted; and a pod's sandbox, which is not the container.
  CHECK(
      container_id_in_mountinfo(mount("/var/lib/docker/containers/" + kId + "/x", "/mnt")).empty());
  CHECK(container_id_in_mountinfo(
            mount("/io.containerd.grpc.v1.cri/sandboxes/" + kId + "/hostname", "/etc/hostname"))
            .empty());
  CHECK(container_id_in_mountinfo("1 2 3\n\n").empty());
}

TEST_CASE("the kubelet's mounts name pod and container") {
  KubeletMount found = kubelet_mount(
      mount("/var/lib/kubelet/pods/0ca5b5a3-2bcb/containers/main/7f3a", "/dev/termination-log"));
  CHECK(found.pod_uid == "0ca5b5a3-2bcb");
  CHECK(found.container_name == "main");
  CHECK(kubelet_mount(mount("/x/pods/1/containers/2", "/dev/termination-log")).pod_uid.empty());
}

TEST_CASE("issuers of service account tokens") {
  Issuer eks = parse_issuer("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC");
  CHECK((eks.kind == Issuer::Kind::kEks && eks.region == "eu-west-1"));
  CHECK(parse_issuer("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/A").region == "cn-north-1");
  Issuer gke = parse_issuer(
      "https://container.googleapis.com/v1/projects/p/locations/us-east1-b/clusters/c");
  CHECK((gke.kind == Issuer::Kind::kGke && gke.project == "p" && gke.region == "us-east1" &&
         gke.cluster_name == "c"));
  CHECK(parse_issuer("https://eastus.oic.prod-aks.azure.com/t/c/").region == "eastus");
  Issuer aks = parse_issuer("https://shop-dns-1a2b.hcp.westeurope.azmk8s.io");
  CHECK((aks.kind == Issuer::Kind::kAks && aks.region == "westeurope"));
  CHECK(parse_issuer("https://kubernetes.default.svc").kind == Issuer::Kind::kOther);
  CHECK(parse_issuer("").kind == Issuer::Kind::kUnknown);
}

TEST_CASE("tokens that are none") {
  for (const char* token : {"", "a", "a.b", "a.b.c", "..", "a.!!!.c", "a.W10.c", "a.bnVsbA.c"}) {
    ServiceAccount account;
    read_claims(token, &account);
    CHECK((account.issuer.empty() && account.pod_name.empty()));
  }
}

TEST_CASE("resource attributes of OpenTelemetry") {
  auto all =
      parse_resource_attributes("service.name=shop, service.version=1%2E2 ,k8s.pod.name=p%20q");
  CHECK((all.size() == 3 && all["service.name"] == "shop" && all["service.version"] == "1.2" &&
         all["k8s.pod.name"] == "p q"));
  for (const char* text : {"a", "=x", "a=b,c", "a=%4", "a=%zz"})
    CHECK(parse_resource_attributes(text).empty());
}

TEST_CASE("the service's name, version and environment, by who says it") {
  Surroundings around;
  around.variables["OTEL_RESOURCE_ATTRIBUTES"] =
      "service.name=otel,service.version=9,deployment.environment.name=staging";
  Service service = quick_service("", "", "", around, "/home/me/folder");
  CHECK((service.name == "otel" && service.version == "9" && service.environment == "staging"));
  service = quick_service("set", "1", "prod", around, "/home/me/folder");
  CHECK((service.name == "set" && service.version == "1" && service.environment == "prod"));
  service = quick_service("", "", "", {}, "/home/me/folder");
  CHECK((service.name == "folder" && service.version.empty() && service.environment == "dev"));
  CHECK(quick_service("", "", "", {}, "/").name == "");
}

TEST_CASE("the primary address") {
  constexpr uint32_t kPrivate = 0x0a000005, kOtherPrivate = 0xc0a80001, kPublic = 0x08080808;
  CHECK(choose_address({}, "eth0").empty());
  CHECK(choose_address({{"eth0", kPublic}}, "eth0") == "8.8.8.8");
  CHECK(choose_address({{"eth0", kPublic}, {"eth1", kPrivate}}, "eth0") == "10.0.0.5");
  CHECK(choose_address({{"docker0", kOtherPrivate}, {"eth0", kPrivate}}, "eth0") == "10.0.0.5");
  CHECK(choose_address({{"docker0", kOtherPrivate}, {"eth0", kPrivate}}, "") == "192.168.0.1");
  CHECK(default_interface(
            "Iface\tDestination\tGateway\neth1\t0000A8C0\t0\neth0\t00000000\t0100000A\n") ==
        "eth0");
  CHECK(default_interface("").empty());
}

TEST_CASE("words, zones, addresses") {
  CHECK(one_word(" us-east-1a\n") == "us-east-1a");
  for (const char* text : {"", "two words", "<html>", "a\x01", "caf\xc3\xa9"})
    CHECK(one_word(text).empty());
  CHECK(one_word(std::string(300, 'x')).empty());
  CHECK(region_of_zone("us-central1-a") == "us-central1");
  CHECK(region_of_zone("us-central1") == "us-central1");
  CHECK(region_of_zone("").empty());
  CHECK((is_address("1.2.3.4") && is_address("fd00::1") && !is_address("1.2.3") &&
         !is_address("") && !is_address("host")));
}

TEST_CASE("documents of the services, and what is none") {
  Cloud cloud;
  CHECK(read_identity_document(R"({"instanceId":"i-1","region":"r","accountId":123})", &cloud));
  CHECK((cloud.instance_id == "i-1" && cloud.region == "r" && cloud.account_id == "123"));
  std::string launch_type;
  CloudFindings findings;
  Kubernetes pod;
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"), std::string("{"),
        std::string("{\"a\":"), std::string(200000, '['), std::string("\xff\xfe"),
        std::string(R"({"compute":[],"TaskARN":{},"kind":1,"items":{}})")}) {
    Cloud none;
    CHECK_FALSE(read_identity_document(text, &none));
    CHECK_FALSE(read_ecs_task(text, &none, &launch_type));
    CHECK_FALSE(read_azure_instance(text, &findings));
    CHECK_FALSE(read_pod(text, "", "", &pod));
    CHECK_FALSE(read_replicaset(text, &pod));
    CHECK_FALSE(read_namespace(text, &pod));
    CHECK_FALSE(read_services(text, {}, &pod));
    CHECK_FALSE(read_node(text, &none));
  }
  CHECK(parse_arn("arn:aws-cn:ecs:cn-north-1:123:task/x").region == "cn-north-1");
  CHECK(parse_arn("arn:aws").region.empty());
  CHECK(aks_cluster_of_group("MC_group_cluster_region") == "cluster");
  CHECK(aks_cluster_of_group("MC_my_group_cluster_region") == "MC_my_group_cluster_region");
  CHECK(aks_cluster_of_group("group").empty());
  CHECK(aks_cluster_of_id("/subscriptions/s/managedClusters/c") == "c");
}

TEST_CASE("pods: which container is ours, and who owns the pod") {
  std::string two =
      R"({"kind":"Pod","metadata":{"name":"p","uid":"u"},"status":{"containerStatuses":[
      {"name":"a","containerID":"containerd://1"},{"name":"b","containerID":"cri-o://2"}]}})";
  Kubernetes pod;
  CHECK((read_pod(two, "2", "", &pod) && pod.container_name == "b"));
  pod = {};
  CHECK((read_pod(two, "", "a", &pod) && pod.container_id == "1"));
  pod = {};
  CHECK((read_pod(two, "3", "", &pod) && pod.container_name.empty()));
  pod = {};
  CHECK((
      read_pod(
          R"({"kind":"Pod","metadata":{"name":"p"},"status":{"containerStatuses":[{"name":"a"}]}})",
          "", "", &pod) &&
      pod.container_name == "a"));
  CHECK(deployment_of_replicaset("shop-7d4c", {{"pod-template-hash", "7d4c"}}) == "shop");
  CHECK(deployment_of_replicaset("shop-7d4c", {{"pod-template-hash", "x"}}).empty());
  CHECK(deployment_of_replicaset("-7d4c", {{"pod-template-hash", "7d4c"}}).empty());
}

TEST_CASE("quantities of Kubernetes") {
  for (const char* text :
       {"0", "500m", "2", "0.5", "1e3", "1E-3", "256Mi", "1Gi", "12Ki", "3k", "5u", "7E"})
    CHECK(is_quantity(text));
  for (const char* text : {"", "m", "1.", ".5", "-1", "1 Gi", "1GiB", "1ee3", "lots", "1Mii", "1i"})
    CHECK_FALSE(is_quantity(text));
}

TEST_CASE("labels and annotations are bounded and carry no secrets") {
  nlohmann::json object = {{"app", "shop"},   {"x/token", "s"},   {"long", std::string(300, 'x')},
                           {"n", 1},          {"db.apiKey", "s"}, {"url", "http://u:hunter2@h/"},
                           {"pass-word", "s"}};
  object["kubectl.kubernetes.io/last-applied-configuration"] = "{}";
  CHECK(text_map(object) == TextMap{{"app", "shop"}, {"url", "http://REDACTED:REDACTED@h/"}});
  nlohmann::json many;
  for (int i = 0; i < 1000; i++) many["key" + std::to_string(i)] = std::string(200, 'x');
  size_t bytes = 0;
  for (const auto& [key, value] : text_map(many)) bytes += key.size() + value.size();
  CHECK((bytes > 0 && bytes <= kMaxMapBytes));
}

TEST_CASE("what is cached comes back, and only what the schema would have") {
  Kubernetes pod;
  pod.pod_name = "p";
  pod.services = {"a", "b"};
  pod.pod_labels = {{"k", "v"}};
  CHECK(to_json(kubernetes_from_json(to_json(pod))) == to_json(pod));
  pod.pod_phase = "Dancing";
  CHECK(kubernetes_from_json(to_json(pod)).pod_phase.empty());
  CHECK(cloud_from_json({{"provider", "aws"},
                         {"platform", "ec2"},
                         {"metadata_source", "env"},
                         {"region", nullptr}})
            .has_value());
  CHECK_FALSE(
      cloud_from_json({{"provider", "aws"}, {"platform", "gce"}, {"metadata_source", "env"}})
          .has_value());
  CHECK_FALSE(cloud_from_json({{"provider", "mars"}}).has_value());
  CHECK(to_json(Cloud()) ==
        nlohmann::ordered_json({{"provider", "local"}, {"metadata_source", "none"}}));
}

}  // namespace telinject::test::places_test
