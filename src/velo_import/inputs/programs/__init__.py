"""SQL within programs in Java, Scala and Python."""
