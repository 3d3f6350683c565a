"""What was sent and acknowledged: the ledger, its schema and upgrades, its key, and where it lives."""
