"""What /metrics shows: requests of this process, and the state of all jobs as the database has it."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from storage.database import Database, Unavailable
from storage.jobs import queries

# From an answer out of the table to a long poll of a minute.
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "ntkd_http_request_seconds",
            "Requests by route and status, until the last byte was sent",
            ["method", "route", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.bell_failures = Counter("ntkd_bell_failures", "Rings that the broker did not take", registry=self.registry)
        self.streamed = Counter("ntkd_array_bytes", "Bytes of arrays sent", ["format"], registry=self.registry)

    def watch(self, database: Database) -> None:
        """Show the jobs of `database` too, asked for when the metrics are."""
        self.registry.register(JobsCollector(database))


class JobsCollector(Collector):
    """Jobs by kind and state, and parts that wait for a worker; without a database only that it is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Nothing: so that registering asks no database."""
        return []

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("ntkd_database_up", "1 when the database answers")
        jobs = GaugeMetricFamily("ntkd_jobs", "Jobs by kind and state", labels=["kind", "state"])
        parts = GaugeMetricFamily("ntkd_open_parts", "Parts that a worker could take now")
        try:
            with self._database.read() as read:
                for kind, state, count in queries.counts(read):
                    jobs.add_metric([kind, state], count)
                parts.add_metric([], queries.open_parts(read))
        except Unavailable:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        return [up, jobs, parts]
