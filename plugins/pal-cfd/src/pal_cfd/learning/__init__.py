"""The convolutional network and how it is trained. Needs torch."""
