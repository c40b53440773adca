"""The scalar functions: their types, their meaning as kernel SQL, and the parts of it that Python computes."""
