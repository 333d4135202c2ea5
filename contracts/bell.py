"""The bell: a message without content that makes a worker look at the table. The table is the truth.

One configuration for whoever rings and whoever listens; the reasons are in docs/operations.md.
"""

from typing import Any

from contracts.settings import GIB, Settings

TASK = "ntkd.bell"
# One ring wakes one worker; more workers than this join in as the sweeper rings again.
MOST_RINGS = 16


def celery_config(settings: Settings) -> dict[str, Any]:
    """Celery's settings: no results, no pickles, early acknowledgement, one message at a time, bounded waits."""
    return {
        "broker_url": settings.require_redis_url(),
        "broker_connection_retry_on_startup": True,
        "broker_transport_options": {
            "socket_timeout": 10,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 25,
            "global_keyprefix": f"{settings.queue}:",
        },
        "task_default_queue": settings.queue,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_pool_start_method": "spawn",
        "worker_soft_shutdown_timeout": 5,
        "worker_max_tasks_per_child": 10_000,
        "worker_max_memory_per_child": (settings.memory_bytes + 2 * GIB) // 1024,
        "worker_proc_alive_timeout": 60,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": False,
    }
