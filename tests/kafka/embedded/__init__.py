"""The embedded broker from inside, and over the network what the checks for every broker do not ask."""
