"""What a run leaves on disk and when, and who works on it: processes, units, tasks of a cluster."""
