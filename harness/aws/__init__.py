"""What lies under scenarios on AWS: guardrails, plan and cost, stacks, images, and what is found or left behind, by tags alone."""
