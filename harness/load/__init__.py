"""Traffic from several processes, or machines: Locust starts, shares out and stops it, the probe's own client asks the questions.

`python -m harness.load` is the master, one for each rehearsal, and `python -m harness.load.worker` one of its workers. Only these two
import Locust, an optional dependency.
"""
