"""CloudFormation: stacks are ours, on the event loop; a resource is made by ordinary calls of the API.

`template` reads and checks, `functions` resolves, `state` holds stacks, `work` creates, updates, deletes and rolls back, `kinds`
says how each resource type is made. Types of the services that are not ours are made by moto's own models, one short call each in
moto's thread (docs/decisions/0006-stacks-are-ours.md).
"""
