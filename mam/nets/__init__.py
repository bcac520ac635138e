"""Networks in torch, for training and export; the library itself runs the exported graphs and never imports them."""
