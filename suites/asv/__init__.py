"""What is timed at each commit by airspeed velocity; run by `make bench`, read by `ganbench report --asv`."""
