"""What crosses a process boundary: the shapes of datasets, jobs, results and problems. No torch, no database."""
