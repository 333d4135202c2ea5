"""Programs that use a running service through its client, as those who use ntkd do."""
