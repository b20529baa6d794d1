"""Captioning folders of any size: finding photos, captioning them in batches, the journal, outputs, and runs that
resume.
"""
