"""The commands `velo` and `velo-test`: parse arguments, call, print."""
