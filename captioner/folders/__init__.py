"""Caption folders of any size: finding photos, batches, the journal, output files, and resumable runs."""
