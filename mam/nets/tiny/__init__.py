"""The networks that only `tiny` has: an image encoder, a mask decoder and a Mask-to-Matte network, made for CPUs."""
