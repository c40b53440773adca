"""Writing expectations from what a run gave out, by editing the text of specs."""
