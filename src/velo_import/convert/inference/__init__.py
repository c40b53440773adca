"""Tables that the input does not declare: what they must be, from the statements that read and write them."""
