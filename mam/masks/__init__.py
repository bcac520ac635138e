"""From a prompt to a mask that obeys it."""
