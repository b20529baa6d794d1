"""Training: data, configuration, the loop, resuming. Runs from the checkout: `python -m train fit CONFIG.toml`."""
