"""What the collector says of itself, in Prometheus' words."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The figures of one collector; nothing in them names a host, a person or a package."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry, namespace="pratique")
        gauge = partial(Gauge, registry=self.registry, namespace="pratique")
        histogram = partial(Histogram, registry=self.registry, namespace="pratique")
        self.batches = counter("batches", "Batches by what became of them", ["outcome"])
        self.events = counter("events", "Events in batches that were new")
        self.bytes = counter("payload_bytes", "Compressed bytes in batches that were new")
        self.refusals = counter("refused_calls", "Calls refused, by status", ["status"])
        self.seconds = histogram("put_batch_seconds", "From request to commit", buckets=_SECONDS)
        self.groups = histogram("commit_batches", "Batches in one commit", buckets=_SIZES)
        self.waiting = gauge("waiting_bytes", "Bytes that wait for a commit")
        self.watching = gauge("watching_hosts", "Hosts with an open control stream")
        self.failing = gauge("failing", "1 while the store takes nothing")

    def page(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
