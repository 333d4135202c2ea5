"""The embedded default: a real PostgreSQL and a real Valkey from the package registry, under a guardian of our own."""

from deploy.embedded.home import EmbeddedError, erase
from deploy.embedded.servers import Servers, servers

__all__ = ["EmbeddedError", "Servers", "erase", "servers"]
