"""The image encoder of MobileSAM, in torch."""
