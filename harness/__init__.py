"""rehearse: blue/green deployments on Amazon ECS, rehearsed before they are real."""

__version__ = "0.1.0"
