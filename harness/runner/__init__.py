"""Runs scenarios side by side on one target: `run` for all of them, `Rehearsal` for the story of one."""

from harness.runner.rehearsal import Rehearsal
from harness.runner.run import RunAsked, run

__all__ = ["Rehearsal", "RunAsked", "run"]
