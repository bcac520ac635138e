"""SEMat: a SAM that is adapted to matting, and a convolutional decoder of details."""
