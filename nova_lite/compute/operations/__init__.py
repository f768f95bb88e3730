"""What this host can do to a server, one file a verb. Each has the same shape:
check everything, then act with undo beside do; the task it runs in commits."""
