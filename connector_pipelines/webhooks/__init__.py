"""Webhooks: a receiver that verifies and stores, an inbox that knows what is to be read again, and metrics.

receiver.py   the ASGI application: one address for each source
admission.py  who may call: networks, rates, sizes; pure but for a clock
inbox.py      events from their arrival until they are processed
refusals.py   what is noted of calls that were turned away
metrics.py    what Prometheus may read
serving.py    the receiver of all declared sources, and its server
"""
