"""Photos and their captions: reading, augmenting, encoding and caching them, and the task of captioning them."""
