"""SQL text to a program: dialect, syntax nodes, statements, properties, and the binding of expressions."""
