// Prints what OpenTelemetry's resource detectors find, as one JSON object of attributes. ROOT stands
// before the paths of files, as TELEMETRY_SYSTEM_ROOT does for telinject.
const { detectResources } = require('@opentelemetry/resources');
const aws = require('@opentelemetry/resource-detector-aws');
const gcp = require('@opentelemetry/resource-detector-gcp');
const azure = require('@opentelemetry/resource-detector-azure');
const container = require('@opentelemetry/resource-detector-container');
const { AwsEksDetector } = require('@opentelemetry/resource-detector-aws/build/src/detectors/AwsEksDetector.js');
const { AwsEcsDetector } = require('@opentelemetry/resource-detector-aws/build/src/detectors/AwsEcsDetector.js');
const { ContainerDetector } =
  require('@opentelemetry/resource-detector-container/build/src/detectors/ContainerDetector.js');

const root = process.env.ROOT;
const account = root + '/var/run/secrets/kubernetes.io/serviceaccount/';
const eks = Object.assign(new AwsEksDetector(), {
  K8S_SVC_URL: process.env.KUBERNETES_SERVICE_HOST || 'kubernetes.default.svc',
  K8S_TOKEN_PATH: account + 'token',
  K8S_CERT_PATH: account + 'ca.crt',
  DEFAULT_CGROUP_PATH: root + '/proc/self/cgroup',
});
AwsEcsDetector.DEFAULT_CGROUP_PATH = root + '/proc/self/cgroup';
const box = Object.assign(new ContainerDetector(), {
  DEFAULT_CGROUP_V1_PATH: root + '/proc/self/cgroup',
  DEFAULT_CGROUP_V2_PATH: root + '/proc/self/mountinfo',
});
const detectors = {
  ec2: [aws.awsEc2Detector],
  'ecs-ec2': [aws.awsEcsDetector, aws.awsEc2Detector],
  'ecs-fargate': [aws.awsEcsDetector],
  eks: [aws.awsEc2Detector, eks, box],
  lambda: [aws.awsLambdaDetector],
  gce: [gcp.gcpDetector],
  gke: [gcp.gcpDetector, box],
  azure_vm: [azure.azureVmDetector],
  aks: [azure.azureVmDetector, azure.azureAksDetector, box],
}[process.argv[2]];

(async () => {
  const merged = {};
  // One by one: merged by the library, the first detector's word would stand.
  for (const detector of detectors) {
    const resource = detectResources({ detectors: [detector] });
    await resource.waitForAsyncAttributes();
    for (const [key, value] of Object.entries(resource.attributes)) {
      (merged[key] ||= []).push(value);
    }
  }
  console.log(JSON.stringify(merged));
})();
