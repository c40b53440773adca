"""What a comparison's result looks like: for people, and for programs."""
