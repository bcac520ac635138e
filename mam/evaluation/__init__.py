"""How good the masks and mattes are, measured through the same graphs that users run."""
