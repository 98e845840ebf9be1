"""`hub dev` and what it is made of."""
