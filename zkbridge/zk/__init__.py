"""Read-only client of ZKTeco terminals: the public names, and nothing else."""
