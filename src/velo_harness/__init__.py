"""The test harness: specs, data generation, the runner, assertions and reports."""
