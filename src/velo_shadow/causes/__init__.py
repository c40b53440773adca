"""Why sides differ: one detector a module, each with its evidence. A cause explains; it does not excuse."""
