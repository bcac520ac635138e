"""The networks in torch, for training and export; at run time the library uses the exported graphs instead."""
