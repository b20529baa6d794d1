"""Translation of captions: the translator, words that it copies, and a picture of where it looked."""
