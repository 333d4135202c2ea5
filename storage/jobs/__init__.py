"""Jobs in PostgreSQL: how they are submitted, how their state moves, how they are read."""
