"""What is imported: files, folders, and SQL within programs."""
