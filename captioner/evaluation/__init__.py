"""Scores for captions: BLEU, ROUGE-L and CIDEr-D as coco-caption computes them, and readers for the usual data files."""
