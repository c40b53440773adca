"""Reports of runs, for people and for programs; what changed between two; what a folder of them says together."""
