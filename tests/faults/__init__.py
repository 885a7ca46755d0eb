"""What a study survives: kills, signals, full disks, lack of memory, other processes, a clock that goes back."""
