"""Where runs happen: a worker process that has torch, and the messages between it and whoever asks."""
