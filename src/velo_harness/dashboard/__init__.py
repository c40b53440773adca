"""The panels of a Grafana dashboard on a local page, fed by a running job; and their way into a Grafana."""
