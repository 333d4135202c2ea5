"""`python -m worker.health`: exit 0 while this worker makes progress or has nothing to do, 1 when it is deaf.

Run beside the worker with the same NTKD_PROGRESS_FILE, as the container's health check does.
"""

import sys

from celery import Celery

from contracts.bell import celery_config
from contracts.settings import settings
from worker.progress import idle_seconds
from worker.rings import waiting_rings

# The watchdog in the worker ends it after three leases; a health check that asks in between says so first.
DEAF_LEASES = 2


def main() -> None:
    """Say how it is, and exit accordingly."""
    app = Celery("ntkd-health")
    app.conf.update(celery_config(settings()))
    idle, rings = idle_seconds(), waiting_rings(app)
    deaf = bool(rings) and idle > DEAF_LEASES * settings().lease_seconds
    sys.stdout.write(f"{'deaf' if deaf else 'healthy'}: idle for {idle:.0f} s, {rings or 'no'} rings waiting\n")
    sys.exit(int(deaf))


if __name__ == "__main__":
    main()
