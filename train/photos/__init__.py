"""Photos and captions: reading, augmentation, caching, and the captioning task."""
