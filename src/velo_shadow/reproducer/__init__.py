"""From one difference to a test that shows it: the input rows behind it, made few, as a spec."""
