"""Augmentations of pictures, over whole batches on the device of the batch."""
