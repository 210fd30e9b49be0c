// A transcription of the calls that the GitHub action aws-actions/amazon-ecs-deploy-task-definition (v2.6.3) makes, in its order,
// for a service with the CODE_DEPLOY deployment controller. It is not the action: inputs come from one JSON argument, and of the
// action's options only those of a CodeDeploy deployment are here. The SDK's own clients, serialisers and waiter are the real ones.
//
//   node github_deploy.mjs '{"taskDefinition": "td.json", "service": "web", "cluster": "c", "appspec": "appspec.json",
//                            "application": "AppECS-c-web", "group": "DgpECS-c-web", "wait": true, "waitMinutes": 30}'
//
// The endpoint comes from AWS_ENDPOINT_URL. Prints what the action prints; exit code 1 where the action fails the job.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.REHEARSE_NODE_MODULES, 'package.json'));
const { ECS } = require('@aws-sdk/client-ecs');
const { CodeDeploy, waitUntilDeploymentSuccessful } = require('@aws-sdk/client-codedeploy');

const MAX_WAIT_MINUTES = 360;
const ANSWER_ONLY = ['compatibilities', 'taskDefinitionArn', 'requiresAttributes', 'revision', 'status', 'registeredAt',
  'deregisteredAt', 'registeredBy'];
const ecs = new ECS({});
const codedeploy = new CodeDeploy({});

/** The value without empty strings, empty lists and empty objects. */
function withoutEmpty(value) {
  if (Array.isArray(value)) {
    return value.map(withoutEmpty).filter((item) => item !== undefined);
  }
  if (value !== null && typeof value === 'object') {
    const kept = Object.entries(value).map(([key, item]) => [key, withoutEmpty(item)]).filter(([, item]) => item !== undefined);
    return kept.length > 0 ? Object.fromEntries(kept) : undefined;
  }
  return value === null || value === '' ? undefined : value;
}

async function registerTaskDefinition(path) {
  const given = withoutEmpty(JSON.parse(readFileSync(path, 'utf8')));
  ANSWER_ONLY.forEach((member) => delete given[member]);
  const answer = await ecs.registerTaskDefinition(given);
  return answer.taskDefinition.taskDefinitionArn;
}

async function describeService(cluster, service) {
  const answer = await ecs.describeServices({ services: [service], cluster });
  if (answer.failures && answer.failures.length > 0) {
    throw new Error(`${answer.failures[0].arn} is ${answer.failures[0].reason}`);
  }
  const [found] = answer.services;
  if (found.status !== 'ACTIVE') {
    throw new Error(`Service is ${found.status}`);
  }
  return found;
}

/** A key of an AppSpec, whatever its case. */
function keyOf(tree, name) {
  const key = Object.keys(tree).find((one) => one.toLowerCase() === name.toLowerCase());
  if (key === undefined) {
    throw new Error(`AppSpec file must include property '${name}'`);
  }
  return key;
}

function appSpecWith(path, taskDefinition) {
  const spec = JSON.parse(readFileSync(path, 'utf8'));
  for (const resource of spec[keyOf(spec, 'resources')]) {
    for (const named of Object.values(resource)) {
      const properties = named[keyOf(named, 'properties')];
      properties[keyOf(properties, 'taskDefinition')] = taskDefinition;
    }
  }
  return JSON.stringify(spec);
}

async function createDeployment(input, taskDefinition) {
  const { deploymentGroupInfo } = await codedeploy.getDeploymentGroup({
    applicationName: input.application, deploymentGroupName: input.group,
  });
  const content = appSpecWith(input.appspec, taskDefinition);
  const { deploymentId } = await codedeploy.createDeployment({
    applicationName: input.application,
    deploymentGroupName: input.group,
    revision: {
      revisionType: 'AppSpecContent',
      appSpecContent: { content, sha256: createHash('sha256').update(content).digest('hex') },
    },
  });
  console.log(`Deployment started. Watch this deployment's progress: ${deploymentId}`);
  if (input.wait) {
    await waitFor(deploymentId, deploymentGroupInfo.blueGreenDeploymentConfiguration, input.waitMinutes ?? 30);
  }
  console.log(JSON.stringify({ 'task-definition-arn': taskDefinition, 'codedeploy-deployment-id': deploymentId }));
}

async function waitFor(deploymentId, { deploymentReadyOption, terminateBlueInstancesOnDeploymentSuccess }, waitMinutes) {
  const declared = deploymentReadyOption.waitTimeInMinutes + terminateBlueInstancesOnDeploymentSuccess.terminationWaitTimeInMinutes;
  const minutes = Math.min(declared + waitMinutes, MAX_WAIT_MINUTES);
  console.log(`Waiting for the deployment to complete. Will wait for ${minutes} minutes`);
  await waitUntilDeploymentSuccessful({ client: codedeploy, minDelay: 15, maxWaitTime: minutes * 60 }, { deploymentId });
}

async function run(input) {
  const taskDefinition = await registerTaskDefinition(input.taskDefinition);
  const service = await describeService(input.cluster, input.service);
  const controller = service.deploymentController?.type ?? 'ECS';
  if (controller !== 'CODE_DEPLOY') {
    throw new Error(`Unsupported deployment controller: ${controller}`);
  }
  await createDeployment(input, taskDefinition);
}

run(JSON.parse(process.argv[2])).catch((error) => {
  console.error(`::error::${error.message}`);
  process.exitCode = 1;
});
