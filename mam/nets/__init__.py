"""The networks in torch, for training and export. The library itself runs the exported graphs and never imports this."""
