"""AWS CodeDeploy on the ECS compute platform. Groups and deployments have files of their own."""

from __future__ import annotations

from harness.emulator.cloud import Answer, AwsError, Caller, Request
from harness.emulator.deploy import routing
from harness.emulator.services import codedeploy_render as render
from harness.emulator.services import codedeploy_validation as validation
from harness.emulator.services.codedeploy_base import page, tags_of
from harness.emulator.services.codedeploy_deployments import Deployments
from harness.emulator.services.codedeploy_groups import Groups
from harness.emulator.services.codedeploy_state import Application, CustomConfig

PLATFORMS = ("Server", "Lambda", "ECS")


class CodeDeploy(Groups, Deployments):
    # ---- applications

    def create_application(self, caller: Caller, request: Request) -> Answer:
        """The platform defaults to Server, which is how people meet the puzzling errors of A.1.4."""
        name = validation.name(request.get("applicationName"), "Application")
        platform = request.get("computePlatform", "Server")
        if platform not in PLATFORMS:
            raise AwsError(
                "InvalidComputePlatformException",
                f"The computePlatform {platform} must be one of {', '.join(PLATFORMS)}.",
            )
        applications = self.states[caller].applications
        if name in applications:
            raise AwsError("ApplicationAlreadyExistsException", f"Application already exists: {name}")
        validation.room(applications, validation.APPLICATIONS, "ApplicationLimitExceededException", "applications")
        tags = tags_of(request.get("tags", []))
        applications[name] = Application(name, platform, self.cloud.clock.now(), tags)
        return {"applicationId": applications[name].id}

    def get_application(self, caller: Caller, request: Request) -> Answer:
        return {"application": render.application(self.application(caller, request))}

    def batch_get_applications(self, caller: Caller, request: Request) -> Answer:
        names = validation.batch(request.get("applicationNames", []), 100, "applications")
        found = [self.application(caller, {"applicationName": name}) for name in names]
        return {"applicationsInfo": [render.application(app) for app in found]}

    def list_applications(self, caller: Caller, request: Request) -> Answer:
        return page(sorted(self.states[caller].applications), request, "applications")

    def update_application(self, caller: Caller, request: Request) -> Answer:
        app, applications = self.application(caller, request), self.states[caller].applications
        if new := request.get("newApplicationName"):
            if new in applications:
                raise AwsError("ApplicationAlreadyExistsException", f"Application already exists: {new}")
            applications[validation.name(new, "Application")] = applications.pop(app.name)
            app.name = new
            for group in app.groups.values():
                group.application = new
        return {}

    def delete_application(self, caller: Caller, request: Request) -> Answer:
        """Deletes its groups and revisions too; deleting what is not there succeeds."""
        self.states[caller].applications.pop(validation.name(request.get("applicationName"), "Application"), None)
        return {}

    # ---- deployment configurations (A.4)

    def create_deployment_config(self, caller: Caller, request: Request) -> Answer:
        name = validation.name(request.get("deploymentConfigName"), "DeploymentConfig")
        if name.startswith("CodeDeployDefault."):
            raise AwsError(
                "InvalidDeploymentConfigNameException", f"The name {name} may not begin with CodeDeployDefault."
            )
        if name in self.states[caller].configs:
            raise AwsError("DeploymentConfigAlreadyExistsException", f"Deployment configuration already exists: {name}")
        configs = self.states[caller].configs
        validation.room(
            configs, validation.CONFIGS, "DeploymentConfigLimitExceededException", "deployment configurations"
        )
        platform = request.get("computePlatform", "Server")
        if platform != "ECS":
            raise AwsError(
                "NotImplemented",
                f"codedeploy: deployment configurations of the {platform} platform are not emulated",
                501,
            )
        try:
            shape = routing.from_aws(
                request.get("trafficRoutingConfig", {}), limited=self.cloud.settings.custom_config_limits
            )
        except routing.RoutingInvalid as error:
            raise AwsError("InvalidTrafficRoutingConfigurationException", str(error)) from error
        config = CustomConfig(name, platform, self.cloud.clock.now(), shape)
        configs[name] = config
        return {"deploymentConfigId": config.id}

    def get_deployment_config(self, caller: Caller, request: Request) -> Answer:
        name = validation.name(request.get("deploymentConfigName"), "DeploymentConfig")
        custom = self.states[caller].configs.get(name)
        info = render.config(custom) if custom else render.predefined_config(name)
        if info is None:
            raise AwsError(
                "DeploymentConfigDoesNotExistException", f"No Deployment Configuration found for name: {name}"
            )
        return {"deploymentConfigInfo": info}

    def list_deployment_configs(self, caller: Caller, request: Request) -> Answer:
        predefined = [*routing.SERVER_CONFIGS, *routing.LAMBDA_CONFIGS, *routing.ECS_CONFIGS]
        return page([*predefined, *sorted(self.states[caller].configs)], request, "deploymentConfigsList")

    def delete_deployment_config(self, caller: Caller, request: Request) -> Answer:
        name = validation.name(request.get("deploymentConfigName"), "DeploymentConfig")
        if name.startswith("CodeDeployDefault."):
            raise AwsError(
                "InvalidOperationException", f"The predefined deployment configuration {name} cannot be deleted."
            )
        groups = [group.name for group in self._groups(caller) if group.raw["deploymentConfigName"] == name]
        if groups:
            raise AwsError(
                "DeploymentConfigInUseException",
                f"The deployment configuration {name} is in use by {', '.join(groups)}.",
            )
        self.states[caller].configs.pop(name, None)
        return {}

    # ---- tags

    def tag_resource(self, caller: Caller, request: Request) -> Answer:
        self._tagged(caller, request["ResourceArn"]).update(tags_of(request["Tags"]))
        return {}

    def untag_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._tagged(caller, request["ResourceArn"])
        for key in request["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, caller: Caller, request: Request) -> Answer:
        tags = self._tagged(caller, request["ResourceArn"])
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _tagged(self, caller: Caller, arn: str) -> dict[str, str]:
        """The tags of `...:application:NAME` or `...:deploymentgroup:APPLICATION/GROUP`."""
        kind, _, name = arn.partition(":codedeploy:")[2].split(":", 2)[-1].partition(":")
        if kind == "application":
            return self.application(caller, {"applicationName": name}).tags
        if kind == "deploymentgroup":
            app, _, group = name.partition("/")
            return self.group(caller, {"applicationName": app, "deploymentGroupName": group}).tags
        raise AwsError("InvalidArnException", f"{arn} is the ARN of neither an application nor a deployment group.")
