-- A commit that is lost with the machine is lost with its position, so nothing need wait for the disk.
SET synchronous_commit = off
