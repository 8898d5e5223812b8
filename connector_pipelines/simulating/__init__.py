"""What the simulators of all systems share: faults as switches, a server on a socket, and what goes over the wire.

faults.py      each trap as a switch: how it is written, and when it strikes
exchange.py    calls and replies, and what the faults of the wire do to a reply
server.py      the service on a socket
running.py     starting, stopping and misbehaving, for whoever uses a simulator from Python
control.py     the same from outside, where a simulator runs as a process of its own
serving.py     a simulator in the foreground, as the command line serves it

A simulator keeps what is its own: its world, its endpoints, its faults, and how it spells errors.
"""
