"""The simulated users: requests at a constant rate through the production listener, in a process of their own.

An open loop: when each request is due is fixed before the run, so that a service that stalls cannot hide it by slowing its users
down (coordinated omission). `pacer` is pure, `client` sends, `summary` folds what came of it, `feed` starts and reads the process.
"""
