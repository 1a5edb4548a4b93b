"""What can be done and undone. Knows nothing of runs, logs or databases."""
