"""Scores for captions: BLEU, ROUGE-L and CIDEr-D as coco-caption computes them; reports; and `evaluate`, which
captions, too.
"""
