"""Why a row is not in the output, or where an input record went: the record is followed through the recorded steps."""
