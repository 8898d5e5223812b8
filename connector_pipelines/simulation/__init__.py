"""What simulators of other systems share: a server in a thread, calls and replies, faults as switches."""
