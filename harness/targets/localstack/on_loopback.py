"""Run by LocalStack's own Python, not by ours: its runtime, kept on 127.0.0.1.

GATEWAY_LISTEN=127.0.0.1:P still binds 0.0.0.0 (localstack-core 2026.3.0: runtime/server/twisted.py makes its IPv4 endpoints without
an interface), so the endpoint's default is changed before the runtime makes one.
"""

import functools

from localstack.runtime.main import main
from twisted.internet import endpoints

endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")

if __name__ == "__main__":
    main()
