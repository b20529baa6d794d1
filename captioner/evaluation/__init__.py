"""Evaluate captions: BLEU, ROUGE-L and CIDEr-D as computed by coco-caption, reports, and comparisons."""
