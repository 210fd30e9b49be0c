"""The live page of a run: follows journals over server-sent events, and acts on the deployment of a run that is going on.

It listens on the loopback interface only. Looking needs the right Host, acting also the token that is printed when it starts.
"""

from harness.dashboard.server import Asked, serve

__all__ = ["Asked", "serve"]
