"""What training minimizes: one file an objective."""
