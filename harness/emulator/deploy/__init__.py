"""The CodeDeploy engine: one deployment as one readable story, and everything that can end it early.

lifecycle   the lifecycle events in AWS's order; the page to read first
supervisor  turns a failure, an alarm or a stop into Failed or Stopped, and starts the rollback
status      which status may follow which
port        the few AWS operations the engine uses
"""
