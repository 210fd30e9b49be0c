"""Amazon ECS: its operations, gathered from a file for each noun.

On EC2, container instances come from the EC2 service (ecs_fleet.py) and tasks are placed on them (ecs_placing.py).
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from harness.emulator.cloud import Caller, Cloud, Regional
from harness.emulator.scheduler import Scheduler
from harness.emulator.services import (
    ecs_capacity_providers,
    ecs_clusters,
    ecs_deployments,
    ecs_instances,
    ecs_protection,
    ecs_services,
    ecs_tags,
    ecs_task_definitions,
    ecs_task_sets,
    ecs_tasks,
)
from harness.emulator.services.ecs_fleet import Fleet
from harness.emulator.services.ecs_network import Interfaces
from harness.emulator.services.ecs_state import Region

STARTS_AT_ONCE = 4  # containers; forking dozens in one turn of the loop would hold up every request


class Ecs:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.regions: Regional[Region] = Regional(Region)
        self._fleets: dict[tuple[str, str], Fleet] = {}
        self.interfaces = Interfaces(cloud)
        self.starts = asyncio.Semaphore(STARTS_AT_ONCE)
        self.scheduler = Scheduler(cloud, self.interfaces, partial(ecs_tasks.start_service_task, self))

    def fleet(self, caller: Caller) -> Fleet:
        """The EC2 instances of the caller's account and region."""
        return self._fleets.setdefault((caller.account, caller.region), Fleet(self, caller))

    def now(self) -> float:
        return self.cloud.clock.now()

    def tasks(self) -> list[dict[str, Any]]:
        """Every task that has not stopped, in all regions, for `rehearse status`: DescribeTasks' shape."""
        return [
            ecs_tasks.shown(task, {})
            for _, region in self.regions.items()
            for task in region.tasks()
            if task.status != "STOPPED"
        ]

    create_cluster = ecs_clusters.create_cluster
    describe_clusters = ecs_clusters.describe_clusters
    list_clusters = ecs_clusters.list_clusters
    delete_cluster = ecs_clusters.delete_cluster
    update_cluster = ecs_clusters.update_cluster
    update_cluster_settings = ecs_clusters.update_cluster_settings
    put_cluster_capacity_providers = ecs_clusters.put_cluster_capacity_providers

    create_capacity_provider = ecs_capacity_providers.create_capacity_provider
    update_capacity_provider = ecs_capacity_providers.update_capacity_provider
    delete_capacity_provider = ecs_capacity_providers.delete_capacity_provider
    describe_capacity_providers = ecs_capacity_providers.describe_capacity_providers

    register_container_instance = ecs_instances.register_container_instance
    deregister_container_instance = ecs_instances.deregister_container_instance
    describe_container_instances = ecs_instances.describe_container_instances
    list_container_instances = ecs_instances.list_container_instances
    update_container_instances_state = ecs_instances.update_container_instances_state
    update_container_agent = ecs_instances.update_container_agent
    discover_poll_endpoint = ecs_instances.discover_poll_endpoint
    put_attributes = ecs_instances.put_attributes
    delete_attributes = ecs_instances.delete_attributes
    list_attributes = ecs_instances.list_attributes

    register_task_definition = ecs_task_definitions.register_task_definition
    describe_task_definition = ecs_task_definitions.describe_task_definition
    deregister_task_definition = ecs_task_definitions.deregister_task_definition
    delete_task_definitions = ecs_task_definitions.delete_task_definitions
    list_task_definitions = ecs_task_definitions.list_task_definitions
    list_task_definition_families = ecs_task_definitions.list_task_definition_families

    create_service = ecs_services.create_service
    update_service = ecs_services.update_service
    delete_service = ecs_services.delete_service
    describe_services = ecs_services.describe_services
    list_services = ecs_services.list_services
    list_services_by_namespace = ecs_services.list_services_by_namespace

    create_task_set = ecs_task_sets.create_task_set
    describe_task_sets = ecs_task_sets.describe_task_sets
    update_task_set = ecs_task_sets.update_task_set
    update_service_primary_task_set = ecs_task_sets.update_service_primary_task_set
    delete_task_set = ecs_task_sets.delete_task_set

    list_service_deployments = ecs_deployments.list_service_deployments
    describe_service_deployments = ecs_deployments.describe_service_deployments
    describe_service_revisions = ecs_deployments.describe_service_revisions

    run_task = ecs_tasks.run_task
    start_task = ecs_tasks.start_task_on
    get_task_protection = ecs_protection.get_task_protection
    update_task_protection = ecs_protection.update_task_protection
    stop_task = ecs_tasks.stop_task
    describe_tasks = ecs_tasks.describe_tasks
    list_tasks = ecs_tasks.list_tasks

    tag_resource = ecs_tags.tag_resource
    untag_resource = ecs_tags.untag_resource
    list_tags_for_resource = ecs_tags.list_tags_for_resource
    put_account_setting = ecs_tags.put_account_setting
    put_account_setting_default = ecs_tags.put_account_setting_default
    delete_account_setting = ecs_tags.delete_account_setting
    list_account_settings = ecs_tags.list_account_settings
