"""What a student has done: attempts, drafts, and the way back to where she was, in one SQLite file."""
