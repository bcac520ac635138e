"""The image encoder and the mask decoder that only `tiny` has, in training; `mam.variants` does not use them yet."""
