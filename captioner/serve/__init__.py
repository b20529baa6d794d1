"""HTTP server: clients POST a photo and get its record as JSON."""
