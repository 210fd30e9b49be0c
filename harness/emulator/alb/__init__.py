"""The load balancer's data plane: a process of its own, fed by the emulator over a socket (C.1-C.7).

plane              what the emulator holds: starts the process, sends orders, hears of health and requests
__main__, control  the process: carries orders out, in order
listener, rules    which rule a request meets, and what it does
targets            target groups: health, draining, choosing a target
client, upstream   one connection to a client, one to a target; the proxy itself
exchange           one request and its answer between the two
head, heads        what a request's head says, and what a target gets of it; desync judges it
reply, framing     what an answer's head says; where a body ends
memo, options      heads that came before; a load balancer's attributes
health_check       the checks
answers            what the load balancer answers by itself
stickiness, tls    cookies that bring a client back; certificates and protocols
journal            what becomes of a finished request: metrics, access_log
"""
